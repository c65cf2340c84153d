import { decodeJwt, decodeProtectedHeader } from 'jose'
import { asRequester } from '../identity/identity.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import { begin, finish, type OidcBeginning, type OidcCallback, type OidcContext } from './oidcFlow.ts'
import { createOidcProvider } from './oidcProvider.ts'
import type { OidcSettings } from './oidcSettings.ts'
import { findBySubject } from './oidcUser.ts'
import type { LoginPlace, OpenedSession } from './session.ts'

const LONGEST = 16_384

/** People and programs of an OpenID provider. */
export interface Oidc {
  /** A login that begins: where to send the person, and what to keep in his browser meanwhile. `returnTo`: a path of ours. */
  begin(options?: { returnTo?: string | undefined }): Promise<OidcBeginning>
  /** What he comes back with, and the cookie of `begin`. Throws Failure('unauthenticated' | 'forbidden' | 'unavailable'). */
  finish(
    callback: OidcCallback,
    carried: { cookie: string | undefined; place: LoginPlace },
  ): Promise<OpenedSession & { returnTo: string }>
  /** The user whom an access token (RFC 9068) speaks for; undefined for one that is not good. Throws Failure('unavailable'). */
  bearer(token: string): Promise<Requester | undefined>
}

export function createOidc(it: Installation, settings: OidcSettings): Oidc {
  const context: OidcContext = { it, settings, provider: createOidcProvider(settings, it.clock) }
  return {
    begin: (options) => begin(context, options),
    finish: (callback, carried) => finish(context, callback, carried),
    bearer: (token) => bearer(context, token),
  }
}

async function bearer({ it, settings, provider }: OidcContext, token: string): Promise<Requester | undefined> {
  const { audience, issuer } = settings
  if (audience === undefined || !looksGood(settings, token)) return undefined
  const claims = await provider.verify(token, { audience, requiredClaims: ['exp', 'sub'] })
  // One that is bound to a key (RFC 9449, RFC 8705) is no bearer token: whoever has stolen it must not use it as one.
  if (claims?.sub === undefined || claims.cnf !== undefined) return undefined
  const user = await findBySubject(it.db, issuer, claims.sub)
  return user && asRequester(user)
}

/** Before the provider is asked for anything: of its issuer, and an access token by its type, which an ID token is not. */
function looksGood({ issuer, tokenTypes }: OidcSettings, token: string): boolean {
  if (token.length > LONGEST || token.split('.').length !== 3) return false
  try {
    const type = decodeProtectedHeader(token)
      .typ?.toLowerCase()
      .replace(/^application\//, '')
    return type !== undefined && tokenTypes.includes(type) && decodeJwt(token).iss === issuer
  } catch {
    return false
  }
}
