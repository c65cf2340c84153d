import type { Context } from 'hono'
import type { ZodType } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { Requester } from '../../src/core/requester.ts'
import { readBody } from '../../src/http/body.ts'
import type { NodeBindings } from '../../src/protocol.ts'
import { type Account, accountRequester, findAccount, refuseEnded } from './accountRecord.ts'
import { rejectsNonce } from './chaos.ts'
import { AcmeError } from './errors.ts'
import { isId } from './id.ts'
import { type JwsKey, readJwk } from './jwk.ts'
import { checkJws, type Jws, jsonObject, openJws, verifyJws } from './jws.ts'
import type { AcmeServer } from './server.ts'
import { urls } from './urls.ts'

export type AcmeContext = Context<{ Bindings: NodeBindings }>

/** A POST whose nonce is spent, whose URL is the one that was signed and whose signature is good. */
export interface SignedRequest {
  server: AcmeServer
  /** One time for all that this request does. */
  now: Date
  /** Name of the RA profile in the URL; nobody has looked yet whether there is one. */
  profile: string
  /** The profile's base URL: see urls.ts. */
  root: string
  /** That was signed, and that of this request. */
  url: string
  payload: Buffer
  source: string | undefined
  /** A part of the path, or empty. */
  param(name: 'id' | 'type' | 'chain'): string
  query(name: 'cursor'): string | undefined
}

/** Signed with a key that came along: `jwk`. */
export interface KeyRequest extends SignedRequest {
  key: JwsKey
}

/** Signed by an account that is valid. */
export interface AccountRequest extends KeyRequest {
  account: Account
  requester: Requester
  door: Door
}

const MAX_BODY = 65_536
const BAD_NONCE = 'JWS has an invalid anti-replay nonce'

/** RFC 8555 section 6.2: for all operations but newAccount and revokeCert by the certificate's key. Throws AcmeError. */
export async function readAccountRequest(server: AcmeServer, c: AcmeContext): Promise<AccountRequest> {
  const { request, jws } = await readRequest(server, c)
  return byAccount(request, jws)
}

/** For newAccount. Throws AcmeError. */
export async function readKeyRequest(server: AcmeServer, c: AcmeContext): Promise<KeyRequest> {
  const { request, jws } = await readRequest(server, c)
  return byKey(request, jws)
}

/** For revokeCert, section 7.6. Throws AcmeError. */
export async function readEitherRequest(server: AcmeServer, c: AcmeContext): Promise<KeyRequest | AccountRequest> {
  const { request, jws } = await readRequest(server, c)
  return jws.jwk ? byKey(request, jws) : byAccount(request, jws)
}

async function readRequest(server: AcmeServer, c: AcmeContext): Promise<{ request: SignedRequest; jws: Jws }> {
  const { host } = server
  const { incoming } = c.env
  const profile = profileOf(c.req.param('profile'))
  const body = await readBody(incoming, MAX_BODY)
  const jws = await spendAndCheck(server, body, { contentType: incoming.headers['content-type'], profile })
  // Section 6.4: the text that was handed out, compared as text.
  if (jws.url !== host.baseUrl + incoming.url)
    throw new AcmeError(
      'unauthorized',
      'the "url" that was signed is not the URL of this request: use it exactly as it was handed out',
    )
  const request: SignedRequest = {
    server,
    now: host.clock(),
    profile,
    root: rootOf(server, profile),
    url: jws.url,
    payload: jws.payload,
    source: host.sourceAddress(incoming),
    param: (name) => c.req.param(name) ?? '',
    query: (name) => c.req.query(name),
  }
  return { request, jws }
}

/** Section 6.5: a nonce that has appeared in a request is spent, whatever becomes of the request. */
async function spendAndCheck(
  server: AcmeServer,
  body: Buffer,
  { contentType, profile }: { contentType: string | undefined; profile: string },
): Promise<Jws> {
  const refusal = isJose(contentType)
    ? undefined
    : new AcmeError('malformed', 'the content type of a POST must be application/jose+json', { status: 415 })
  const opened = attempt(() => openJws(body))
  if (!opened.ok) throw refusal ?? opened.error
  const { nonce } = opened.value.header
  const good = typeof nonce === 'string' && (await server.nonces.spend(nonce)) && !rejectsNonce(server, profile)
  if (refusal) throw refusal
  const jws = checkJws(opened.value)
  if (!good) throw new AcmeError('badNonce', jws.nonce === undefined ? `${BAD_NONCE}: it has none` : BAD_NONCE)
  return jws
}

function attempt<T>(work: () => T): { ok: true; value: T } | { ok: false; error: unknown } {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    return { ok: false, error }
  }
}

function isJose(contentType: string | undefined): boolean {
  return contentType !== undefined && /^\s*application\/jose\+json\s*(;|$)/i.test(contentType)
}

function byKey(request: SignedRequest, jws: Jws): KeyRequest {
  return { ...request, key: keyOfJws(jws) }
}

/** The key that a JWS holds and is signed with. Throws AcmeError: malformed, badPublicKey. */
export function keyOfJws(jws: Jws): JwsKey {
  if (!jws.jwk)
    throw new AcmeError('malformed', 'this request is signed with a key that it holds as "jwk", not with a "kid"')
  const key = readJwk(jws.jwk)
  if (!key.algorithms.includes(jws.alg))
    throw new AcmeError(
      'badPublicKey',
      `the "jwk" is no key for ${jws.alg}; it signs with ${key.algorithms.join(', ')}`,
    )
  verifyJws(jws, key)
  return key
}

async function byAccount(request: SignedRequest, jws: Jws): Promise<AccountRequest> {
  if (jws.kid === undefined)
    throw new AcmeError('malformed', 'this request is signed by an account, named by its URL as "kid"')
  const { server, root, source } = request
  const { core, db } = server.host
  const account = await accountAt(jws.kid)
  if (!account)
    throw new AcmeError('accountDoesNotExist', 'the "kid" is not the URL of an account here: register first')
  const key = server.accountKey(account)
  verifyJws(jws, key)
  refuseEnded(account)
  const requester = accountRequester(account, source)
  // Member by member: a spread makes a slow object, and this one is made for every request.
  return {
    server,
    now: request.now,
    profile: request.profile,
    root,
    url: request.url,
    payload: request.payload,
    source,
    param: request.param,
    query: request.query,
    key,
    account,
    requester,
    door: core.as(requester),
  }

  async function accountAt(kid: string): Promise<Account | undefined> {
    const id = kid.slice(kid.lastIndexOf('/') + 1)
    if (!isId(id) || kid !== urls.account(root, id)) return undefined
    const found = await findAccount(db, id)
    return found?.profile === request.profile ? found : undefined
  }
}

/** A profile's name as it stands in a URL. Throws AcmeError('malformed', 404) for what can be none. */
export function profileOf(name: string | undefined): string {
  if (name === undefined || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(name))
    throw new AcmeError('malformed', 'there is no such profile', { status: 404 })
  return name
}

export function rootOf({ host }: AcmeServer, profile: string): string {
  return `${host.baseUrl}/acme/${profile}`
}

/** Whoever asks before any key is known, or only holds a key. */
export function keyHolder(ref: string, source: string | undefined): Requester {
  return {
    kind: 'key-holder',
    ref,
    name: ref === '' ? 'ACME client' : `holder of key ${ref.slice(0, 12)}`,
    people: [],
    ...(source === undefined ? {} : { source }),
  }
}

/** Section 6.3: the payload is the empty string. Throws AcmeError('malformed'). */
export function requirePostAsGet({ payload }: SignedRequest): void {
  if (payload.length > 0)
    throw new AcmeError('malformed', 'this resource is read by POST-as-GET: the payload must be the empty string')
}

/** The payload's object, unknown members left aside. Throws AcmeError('malformed') naming the member that is wrong. */
export function readPayload<T>({ payload }: SignedRequest, schema: ZodType<T>): T {
  const result = schema.safeParse(jsonObject(payload, 'the payload'))
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new AcmeError(
    'malformed',
    `${issue?.path.join('.') || 'the payload'}: ${issue?.message ?? 'is not as it must be'}`,
  )
}

/** Alike for what does not exist and for what is another account's. */
export function notFound(what: string): AcmeError {
  return new AcmeError('malformed', `there is no such ${what}`, { status: 404 })
}
