import { createHash, hkdfSync, timingSafeEqual } from 'node:crypto'
import { decodeProtectedHeader, EncryptJWT, errors, type JWTPayload, jwtDecrypt } from 'jose'
import { z } from 'zod'
import { transaction } from '../../db/transaction.ts'
import { Failure } from '../failure.ts'
import { newSecret } from '../identity/password.ts'
import type { Installation } from '../installation.ts'
import { fetchJson } from './oidcFetch.ts'
import type { OidcMetadata, OidcProvider } from './oidcProvider.ts'
import type { OidcSettings } from './oidcSettings.ts'
import { userAtLogin } from './oidcUser.ts'
import { type LoginPlace, type OpenedSession, openSession } from './session.ts'

const TIME_TO_LOG_IN = 600_000

/** A login that begins. */
export interface OidcBeginning {
  /** Where to send the person. */
  url: string
  /** For a cookie (HttpOnly, SameSite=Lax, Secure) that comes back with him; good until `expiresAt`. */
  cookie: string
  expiresAt: Date
}

/** What the provider sends a person back with: the query of the redirect URI. */
export interface OidcCallback {
  code?: string | undefined
  state?: string | undefined
  iss?: string | undefined
  error?: string | undefined
}

/** What this login must come back with: only in the cookie, sealed, so that any node can go on. */
const transactionSchema = z.object({ state: z.string(), nonce: z.string(), verifier: z.string(), returnTo: z.string() })
type Begun = z.output<typeof transactionSchema>

export interface OidcContext {
  it: Installation
  settings: OidcSettings
  provider: OidcProvider
}

/** Authorization code flow (OpenID Connect Core 1.0 section 3.1) with PKCE (RFC 7636), state and nonce. Throws Failure('unavailable'). */
export async function begin(
  { it, settings, provider }: OidcContext,
  { returnTo }: { returnTo?: string | undefined } = {},
): Promise<OidcBeginning> {
  const { authorization_endpoint } = await provider.metadata()
  const begun: Begun = { state: newSecret(), nonce: newSecret(), verifier: newSecret(), returnTo: ownPath(returnTo) }
  const url = new URL(authorization_endpoint)
  const parameters = {
    response_type: 'code',
    client_id: settings.clientId,
    redirect_uri: settings.redirectUri,
    scope: settings.scopes.join(' '),
    state: begun.state,
    nonce: begun.nonce,
    code_challenge: createHash('sha256').update(begun.verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  const expiresAt = new Date(it.clock().getTime() + TIME_TO_LOG_IN)
  const cookie = await new EncryptJWT(begun)
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .setExpirationTime(expiresAt)
    .encrypt(cookieKey(it))
  return { url: url.href, cookie, expiresAt }
}

/** A path of this server and nothing that leads elsewhere. */
function ownPath(path: string | undefined): string {
  return path !== undefined && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}$/.test(path) ? path : '/'
}

function cookieKey({ challengeSecret }: Installation): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', challengeSecret, Buffer.alloc(0), 'countersign openid login', 32))
}

/**
 * Ends a login with a session. Throws Failure: unauthenticated for whatever does not belong together or is too late,
 * forbidden for somebody who is nobody here, unavailable.
 */
export async function finish(
  context: OidcContext,
  callback: OidcCallback,
  { cookie, place }: { cookie: string | undefined; place: LoginPlace },
): Promise<OpenedSession & { returnTo: string }> {
  const { it, settings, provider } = context
  const begun = await openCookie(it, cookie)
  if (!begun || !equal(callback.state, begun.state)) throw again('it was not begun in this browser, or too long ago')
  const metadata = await provider.metadata()
  if (
    callback.iss === undefined
      ? metadata.authorization_response_iss_parameter_supported
      : callback.iss !== settings.issuer
  )
    throw again('the answer is not that of the provider that was asked')
  if (callback.error !== undefined)
    throw again(`the provider says ${/^[a-z_]{1,60}$/.exec(callback.error)?.[0] ?? 'no'}`)
  if (callback.code === undefined) throw again('the provider sent no code')
  const claims = await redeem(context, metadata, { code: callback.code, begun })
  const user = await transaction(it.db, (db) => userAtLogin(db, settings, claims, it.clock()))
  return { ...(await openSession(it, user, { method: 'oidc', place })), returnTo: begun.returnTo }
}

async function openCookie(it: Installation, cookie: string | undefined): Promise<Begun | undefined> {
  if (cookie === undefined || cookie.length > 4096) return undefined
  try {
    const options = {
      currentDate: it.clock(),
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    }
    const { payload } = await jwtDecrypt(cookie, cookieKey(it), { ...options, requiredClaims: ['exp'] })
    return transactionSchema.safeParse(payload).data
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

function equal(one: string | undefined, other: string): boolean {
  if (one?.length !== other.length) return false
  const [left, right] = [Buffer.from(one), Buffer.from(other)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function again(why: string): Failure {
  return new Failure('unauthenticated', `logging in did not work: ${why}; begin again`)
}

/** Section 3.1.3: the code for an ID token, which is looked at as in 3.1.3.7. */
async function redeem(
  { settings, provider }: OidcContext,
  metadata: OidcMetadata,
  { code, begun }: { code: string; begun: Begun },
): Promise<JWTPayload & { sub: string }> {
  const { clientId, redirectUri } = settings
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: begun.verifier,
  })
  const authorization = authorize(settings, metadata, body)
  const form = { body, ...(authorization === undefined ? {} : { authorization }) }
  const { status, body: answer } = await fetchJson(metadata.token_endpoint, { reach: settings.reach, form })
  const parsed = z.object({ id_token: z.string().max(65_536) }).safeParse(answer)
  if (status !== 200 || !parsed.success) throw again('the provider did not take the code')
  const { id_token } = parsed.data
  const claims = await provider.verify(id_token, { audience: clientId, requiredClaims: ['exp', 'iat', 'sub'] })
  const { nonce, azp, aud, sub } = claims ?? {}
  const another = Array.isArray(aud) && aud.length > 1 ? azp !== clientId : azp !== undefined && azp !== clientId
  if (!claims || sub === undefined || !equal(typeof nonce === 'string' ? nonce : undefined, begun.nonce) || another)
    throw again('the ID token is not good')
  if (decodeProtectedHeader(id_token).typ?.toLowerCase().endsWith('at+jwt')) throw again('the ID token is none')
  return { ...claims, sub }
}

/** How the client says who it is (RFC 6749 section 2.3.1): by Basic, where the provider does not ask for the body. */
function authorize(settings: OidcSettings, metadata: OidcMetadata, body: URLSearchParams): string | undefined {
  const { clientId, clientSecret } = settings
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  if (clientSecret === undefined) {
    body.set('client_id', clientId)
    return undefined
  }
  if (!methods.includes('client_secret_basic') && methods.includes('client_secret_post')) {
    body.set('client_id', clientId)
    body.set('client_secret', clientSecret)
    return undefined
  }
  const encoded = (text: string) => new URLSearchParams({ text }).toString().slice('text='.length)
  return `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString('base64')}`
}
