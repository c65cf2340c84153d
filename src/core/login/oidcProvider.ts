import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import { z } from 'zod'
import { Failure } from '../failure.ts'
import { fetchJson, isSafeUrl } from './oidcFetch.ts'
import type { OidcSettings } from './oidcSettings.ts'

const address = z.string().refine(isSafeUrl, 'neither https nor on this machine')

/** OpenID Connect Discovery 1.0 section 3, as far as it is needed here. */
const metadataSchema = z.object({
  issuer: z.string(),
  authorization_endpoint: address,
  token_endpoint: address,
  jwks_uri: address,
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  /** RFC 9207. */
  authorization_response_iss_parameter_supported: z.boolean().optional(),
})
export type OidcMetadata = z.output<typeof metadataSchema>

const keySetSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) })

/** Asymmetric ones only: whoever knows the client secret, or the public key, must not be able to make a token. */
const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']
const METADATA_LASTS = 3_600_000
const KEYS_LAST = 600_000
const BETWEEN_ASKING = 60_000
const AFTER_FAILURE = 10_000

export interface OidcProvider {
  /** Throws Failure('unavailable'). */
  metadata(): Promise<OidcMetadata>
  /**
   * The claims of a token that a key of the provider signed, with times looked at, by one minute's tolerance. Undefined for
   * one that is not good. Throws Failure('unavailable') when the keys cannot be had.
   */
  verify(token: string, options: Pick<JWTVerifyOptions, 'audience' | 'requiredClaims'>): Promise<JWTPayload | undefined>
}

type Provided = Pick<OidcSettings, 'issuer' | 'reach'>

/** What an OpenID provider says of itself: asked for when needed, and kept for a while. */
export function createOidcProvider({ issuer, reach }: Provided, clock: () => Date): OidcProvider {
  const metadata = kept(METADATA_LASTS, clock, async () => {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const parsed = metadataSchema.safeParse((await fetchJson(url, { reach })).body)
    if (parsed.data?.issuer === issuer) return parsed.data
    throw new Failure('unavailable', 'the metadata of the OpenID provider cannot be used', {
      cause: parsed.error ?? `it calls itself ${parsed.data?.issuer}`,
    })
  })
  const keys = kept(KEYS_LAST, clock, async () => {
    const parsed = keySetSchema.safeParse((await fetchJson((await metadata.get()).jwks_uri, { reach })).body)
    if (parsed.success) return createLocalJWKSet(parsed.data as JSONWebKeySet)
    throw new Failure('unavailable', 'the keys of the OpenID provider cannot be used', { cause: parsed.error })
  })
  const keyFor: JWTVerifyGetKey = async (header, token) => {
    const known = await keys.get()
    try {
      return await known(header, token)
    } catch (error) {
      // A key that is new there. Whoever makes up key ids makes us ask once a minute, and no more.
      if (!(error instanceof errors.JWKSNoMatchingKey) || !keys.mayAsk(BETWEEN_ASKING)) throw error
      return (await keys.ask())(header, token)
    }
  }
  return {
    metadata: metadata.get,
    verify: async (token, options) => {
      try {
        const checks = { ...options, issuer, algorithms, clockTolerance: 60, currentDate: clock() }
        return (await jwtVerify(token, keyFor, checks)).payload
      } catch (error) {
        if (error instanceof Failure) throw error
        // What jose throws says what is wrong with the token; a TypeError, that its key is none for its algorithm.
        if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
        throw error
      }
    },
  }
}

/** A value that is asked for again after a time; of many who want it at once one asks. A failure is remembered for ten seconds. */
function kept<T>(lasts: number, clock: () => Date, load: () => Promise<T>) {
  let value: T | undefined
  let asked = Number.NEGATIVE_INFINITY
  let failed: { at: number; error: unknown } | undefined
  let asking: Promise<T> | undefined
  const now = () => clock().getTime()
  const ask = (): Promise<T> => {
    if (failed && now() - failed.at < AFTER_FAILURE) return Promise.reject(failed.error)
    asking ??= load()
      .then(
        (loaded) => {
          value = loaded
          asked = now()
          failed = undefined
          return loaded
        },
        (error: unknown) => {
          failed = { at: now(), error }
          throw error
        },
      )
      .finally(() => {
        asking = undefined
      })
    return asking
  }
  return {
    get: async (): Promise<T> => (value !== undefined && now() - asked < lasts ? value : ask()),
    ask,
    mayAsk: (pause: number): boolean => now() - asked >= pause,
  }
}
