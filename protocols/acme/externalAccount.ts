import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Database } from '../../src/db/open.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { decodeBase64url } from './base64url.ts'
import { AcmeError } from './errors.ts'
import { readJwk } from './jwk.ts'
import { jsonObject, type OpenedJws, openFlattened } from './jws.ts'
import { optionsOf } from './options.ts'
import { type AccountRequest, type KeyRequest, readPayload } from './signed.ts'

/** RFC 7518 section 3.2. */
const macs = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' } as const

const registration = z.object({ externalAccountBinding: z.unknown().optional() })
/** Nothing nested: the account object will show it. */
const texts = z.record(z.string(), z.string())

/** A verified binding. */
export interface Binding {
  credentialId: number
  /** Whoever made the MAC key. */
  people: number[]
  /** As the client sent it: the account object shows it. */
  sent: Record<string, string>
}

/**
 * RFC 8555 section 7.3.4. A binding that comes is verified, whether the profile requires one or not; verifying uses
 * nothing up. Throws AcmeError: externalAccountRequired; malformed and badSignatureAlgorithm for a JWS that is not as it
 * must be; unauthorized when it proves nothing.
 */
export async function readBinding(request: KeyRequest, profile: RaProfile, door: Door): Promise<Binding | undefined> {
  const { externalAccountBinding: sent } = readPayload(request, registration)
  if (sent === undefined) {
    if (!optionsOf(profile).externalAccountRequired) return undefined
    throw new AcmeError(
      'externalAccountRequired',
      'an account here needs an externalAccountBinding: ask for a key identifier and its MAC key',
    )
  }
  const flattened = texts.safeParse(sent)
  if (!flattened.success) throw malformed('it must be a flattened JWS: "protected", "payload" and "signature" as text')
  const inner = named(() => openFlattened(flattened.data))
  const { hash, kid, payload, mac } = readInner(inner, request.url)
  const credential = await door.credential(profile, 'eab', kid)
  if (!credential?.verifyMac(hash, Buffer.from(inner.signingInput, 'latin1'), mac))
    throw new AcmeError(
      'unauthorized',
      'the kid of the externalAccountBinding is unknown here, or its MAC does not fit: look at both again',
    )
  const bound = readJwk(named(() => jsonObject(payload, 'the payload')))
  if (bound.thumbprint !== request.key.thumbprint)
    throw new AcmeError('unauthorized', 'the externalAccountBinding is for another key than the one that signs')
  return { credentialId: credential.id, people: credential.people, sent: flattened.data }
}

/**
 * Whether the account may order these names as far as its credential goes; true says that the credential was made for
 * them. In a transaction that holds until its commit. Throws Failure: forbidden when it was revoked, rejectedIdentifier.
 */
export async function admitByBinding(
  { account, door, server }: AccountRequest,
  identifiers: readonly Identifier[],
  trx?: Database,
): Promise<boolean> {
  const { credentialId: id } = account
  if (id === undefined) return false
  const answer = trx
    ? door.admitCredential(trx, id, identifiers, 'commit')
    : door.admitCredential(server.host.db, id, identifiers)
  return (await answer).bound
}

interface Inner {
  hash: (typeof macs)[keyof typeof macs]
  kid: string
  payload: Buffer
  mac: Buffer
}

function readInner({ header, payload, signature }: OpenedJws, url: string): Inner {
  const { alg, kid } = header
  if (Object.hasOwn(header, 'crit') || header.b64 === false)
    throw malformed('no critical extension of JWS is understood here')
  if (typeof alg !== 'string') throw malformed('its protected header must name its "alg"')
  if (!Object.hasOwn(macs, alg))
    throw new AcmeError('badSignatureAlgorithm', 'the "alg" of an externalAccountBinding is a MAC: HS256 is common', {
      algorithms: Object.keys(macs),
    })
  if (typeof kid !== 'string' || Object.hasOwn(header, 'jwk'))
    throw malformed('its protected header must hold the "kid" that goes with the MAC key, and no "jwk"')
  if (Object.hasOwn(header, 'nonce')) throw malformed('its protected header must not hold a "nonce"')
  if (header.url !== url) throw malformed('its "url" must be that of the request')
  const bytes = decodeBase64url(payload)
  const mac = decodeBase64url(signature)
  if (!bytes) throw malformed('its "payload" is not base64url without padding')
  if (!mac?.length) throw malformed('its "signature" is empty or not base64url without padding')
  return { hash: macs[alg as keyof typeof macs], kid, payload: bytes, mac }
}

/** Says of what is malformed that it is the binding. */
function named<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof AcmeError && error.type === 'malformed') throw malformed(error.detail)
    throw error
  }
}

function malformed(detail: string): AcmeError {
  return new AcmeError('malformed', `externalAccountBinding: ${detail}`)
}
