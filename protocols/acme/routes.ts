import { Hono } from 'hono'
import { getPath } from 'hono/utils/url'
import { requestId } from '../../src/http/requestId.ts'
import type { Host, NodeBindings } from '../../src/protocol.ts'
import { account, newAccount } from './account.ts'
import { type Answer, send, sendProblem } from './answer.ts'
import { authorization } from './authorization.ts'
import { certificate } from './certificate.ts'
import { challenge } from './challenge.ts'
import { chaoticAnswer, learnChaos } from './chaos.ts'
import type { ChaosOptions } from './chaosOptions.ts'
import { directory } from './directory.ts'
import { AcmeError, asAcmeError } from './errors.ts'
import { finalize } from './finalize.ts'
import { keyChange } from './keyChange.ts'
import { newAuthz } from './newAuthz.ts'
import { newNonce } from './newNonce.ts'
import { newOrder } from './newOrder.ts'
import { order } from './order.ts'
import { orders } from './orders.ts'
import { renewalInfo } from './renewalInfo.ts'
import { revokeCert } from './revoke.ts'
import { type AcmeServer, acmeServer } from './server.ts'
import {
  type AccountRequest,
  type AcmeContext,
  keyHolder,
  profileOf,
  readAccountRequest,
  readEitherRequest,
  readKeyRequest,
  requirePostAsGet,
  rootOf,
  type SignedRequest,
} from './signed.ts'
import { profileOfVaried, unvaried } from './variedUrl.ts'

type Handler = (c: AcmeContext) => Promise<Response>
/** Reads and checks a signed request; see signed.ts for what each demands. */
type Reader<R extends SignedRequest> = (server: AcmeServer, c: AcmeContext) => Promise<R>

/** The operations of RFC 8555 section 7.1, and who signs each (section 6.2). */
export function acmeRoutes(host: Host): Hono<{ Bindings: NodeBindings }> {
  const server = acmeServer(host)
  const signed = signedBy(server)
  const app = new Hono<{ Bindings: NodeBindings }>({ getPath: plainPath(server) })
  const resource = (path: string, post: Handler, get?: Handler) => {
    const url = `/acme/:profile${path}`
    app.post(url, post)
    if (get) app.get(url, get)
    app.options(url, () => preflight(get !== undefined))
    app.all(url, () => {
      throw notAllowed(get !== undefined)
    })
  }

  resource('/directory', signed(readAccountRequest, directoryAgain), directoryNow(server))
  resource('/new-nonce', signed(readAccountRequest, nonceAgain), nonceNow(server))
  resource('/new-account', signed(readKeyRequest, newAccount))
  resource('/new-authz', signed(readAccountRequest, newAuthz))
  resource('/new-order', signed(readAccountRequest, newOrder))
  resource('/account/:id', signed(readAccountRequest, account))
  resource('/account/:id/orders', signed(readAccountRequest, orders))
  resource('/order/:id', signed(readAccountRequest, order))
  resource('/order/:id/finalize', signed(readAccountRequest, finalize))
  resource('/authz/:id', signed(readAccountRequest, authorization))
  resource('/challenge/:id/:type', signed(readAccountRequest, challenge))
  resource('/certificate/:id', signed(readAccountRequest, certificate))
  resource('/certificate/:id/:chain', signed(readAccountRequest, certificate))
  resource('/key-change', signed(readAccountRequest, keyChange))
  resource('/revoke-cert', signed(readEitherRequest, revokeCert))

  const renewalInfoPath = '/acme/:profile/renewal-info/:certId'
  app.get(renewalInfoPath, renewalInfoNow(server))
  app.all(renewalInfoPath, () => {
    throw onlyGet()
  })

  app.onError((error, c) => problem(server, c, error))
  app.all('*', async (c) => {
    const profile = profileOfVaried(c.req.path)
    if (profile !== undefined && (await variesUrls(server, profile))) return app.fetch(c.req.raw, c.env)
    throw new AcmeError('malformed', 'there is no such resource', { status: 404 })
  })
  return app
}

function signedBy(server: AcmeServer) {
  return <R extends SignedRequest>(read: Reader<R>, operation: (request: R) => Promise<Answer>): Handler =>
    async (c) => {
      const request = await read(server, c)
      const answer = await operation(request)
      const chaos = chaosOf(server, request.profile)
      const shown = chaos ? chaoticAnswer(answer, chaos, request) : answer
      return send(shown, { root: request.root, nonce: await server.nonces.issue() })
    }
}

function chaosOf({ chaos }: AcmeServer, profile: string): ChaosOptions | undefined {
  return chaos.size === 0 ? undefined : chaos.get(profile)
}

/** For a URL that only such a profile hands out: whether it is one, also just after a start. */
async function variesUrls(server: AcmeServer, name: string): Promise<boolean> {
  const door = server.host.core.as(keyHolder('', undefined))
  learnChaos(server, await door.profile(name, 'acme'))
  return chaosOf(server, name)?.varyUrls ?? false
}

/** Where a profile varies its URLs, what varies is left out. */
function plainPath({ chaos }: AcmeServer) {
  return (request: Request): string => {
    const path = getPath(request)
    if (chaos.size === 0) return path
    const profile = profileOfVaried(path)
    return profile !== undefined && chaos.get(profile)?.varyUrls ? unvaried(path) : path
  }
}

/** A GET, which nobody signs: of the directory and of newNonce only (section 6.3). */
function directoryNow(server: AcmeServer): Handler {
  return async (c) => {
    const profile = profileOf(c.req.param('profile'))
    const root = rootOf(server, profile)
    const source = server.host.sourceAddress(c.env.incoming)
    const answer = await directory(server, { profile, root, source })
    const chaos = chaosOf(server, profile)
    const url = server.host.baseUrl + c.env.incoming.url
    return send(chaos ? chaoticAnswer(answer, chaos, { root, url }) : answer, { root, nonce: undefined })
  }
}

async function directoryAgain(request: AccountRequest): Promise<Answer> {
  requirePostAsGet(request)
  return { ...(await directory(request.server, request)), cacheControl: 'no-store' }
}

/** RFC 9773 section 4.1. */
function renewalInfoNow(server: AcmeServer): Handler {
  return async (c) => {
    const profile = profileOf(c.req.param('profile'))
    const asked = { profile, certId: c.req.param('certId') ?? '', source: server.host.sourceAddress(c.env.incoming) }
    return send(await renewalInfo(server, asked), { root: rootOf(server, profile), nonce: undefined })
  }
}

function nonceNow(server: AcmeServer): Handler {
  return async (c) => {
    const root = rootOf(server, profileOf(c.req.param('profile')))
    return send(newNonce(c.req.method), { root, nonce: await server.nonces.issue() })
  }
}

async function nonceAgain(request: AccountRequest): Promise<Answer> {
  requirePostAsGet(request)
  return newNonce('POST')
}

/** Section 6.3: 405 malformed. */
function notAllowed(get: boolean): AcmeError {
  const detail = get
    ? 'this resource is read by GET'
    : 'this resource is read by POST-as-GET: a signed POST with an empty payload'
  return new AcmeError('malformed', detail, { status: 405, headers: { Allow: allowed(get) } })
}

function onlyGet(): AcmeError {
  return new AcmeError('malformed', 'this resource is read by GET', { status: 405, headers: { Allow: 'GET, HEAD' } })
}

function allowed(get: boolean): string {
  return get ? 'GET, HEAD, POST, OPTIONS' : 'POST, OPTIONS'
}

/** For clients in browsers (section 6.1): they must ask before they may send application/jose+json. */
function preflight(get: boolean): Response {
  const headers = {
    Allow: allowed(get),
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': allowed(get),
    'Access-Control-Allow-Headers': 'Content-Type',
    'Access-Control-Max-Age': '86400',
  }
  return new Response(null, { status: 204, headers })
}

/** A nonce goes with every answer to a POST, errors included: without one the client would have to ask again. */
async function problem(server: AcmeServer, c: AcmeContext, thrown: unknown): Promise<Response> {
  const { log, baseUrl } = server.host
  const error = asAcmeError(thrown)
  if (error.status >= 500) log.error({ err: thrown, request: requestId(c.env.incoming) }, 'an ACME request failed')
  const profile = /^\/acme\/([a-z0-9][a-z0-9-]{0,62})\//.exec(c.req.path)?.[1]
  return sendProblem(error, {
    root: profile === undefined ? undefined : `${baseUrl}/acme/${profile}`,
    nonce: c.req.method === 'POST' ? await anyNonce(server) : undefined,
  })
}

/** When the database cannot be asked, none: the client has to fetch one later anyway. */
async function anyNonce({ nonces, host }: AcmeServer): Promise<string | undefined> {
  try {
    return await nonces.issue()
  } catch (error) {
    host.log.error({ err: error }, 'no nonce could be issued')
    return undefined
  }
}
