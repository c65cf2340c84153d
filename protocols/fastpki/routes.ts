import type { TLSSocket } from 'node:tls'
import { type Context, Hono } from 'hono'
import { Failure } from '../../src/core/failure.ts'
import { requestId } from '../../src/http/requestId.ts'
import type { Host, NodeBindings } from '../../src/protocol.ts'
import { anybody, authenticate } from './authenticate.ts'
import { asReply } from './errors.ts'
import { readInput, readParams, readQuery } from './input.ts'
import { openApiOperation } from './openapi.ts'
import type { Operation, Reply } from './operation.ts'
import { operations } from './operations.ts'
import { publicFile } from './publicFiles.ts'

type FastpkiContext = Context<{ Bindings: NodeBindings }>

const MOUNT = '/fastpki'
const API = `${MOUNT}/api/v1`

/** Every operation of the list below /fastpki/api/v1, and what is public below /fastpki. */
export function fastpkiRoutes(host: Host): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>({ strict: true })
  const all = [...operations, openApiOperation(operations)]
  for (const operation of wordsFirst(all))
    app.on(operation.method.toUpperCase(), patternOf(operation.path), (c) => answer(host, operation, c))
  for (const path of new Set(all.map((operation) => operation.path))) {
    const methods = all.filter((operation) => operation.path === path).map(({ method }) => method.toUpperCase())
    app.all(patternOf(path), (c) =>
      send(c, { status: 405, headers: { Allow: methods.join(', ') }, body: { detail: 'Method Not Allowed' } }),
    )
    app.all(patternOf(otherSlash(path)), (c) => send(c, { status: 307, headers: { Location: elsewhere(host, c) } }))
  }
  for (const kind of ['crl', 'ca'] as const)
    app.get(`${MOUNT}/${kind}/:file`, (c) =>
      publicFile(host, kind, c.req.param('file') ?? '').then(
        (reply) => send(c, reply),
        (error: unknown) => refusal(host, c, error),
      ),
    )
  for (const path of [MOUNT, `${MOUNT}/`])
    app.get(path, (c) => send(c, { body: { message: 'countersign, as FastPKI', api: API, version: '0.3.5' } }))
  app.all('*', (c) => send(c, { status: 404, body: { detail: 'Not Found' } }))
  app.onError((error, c) => refusal(host, c, error))
  return app
}

function patternOf(path: string): string {
  return `${API}${path.replace(/\{(\w+)\}/g, ':$1')}`
}

/** Words before parameters, so that `/users/me` is no user. */
function wordsFirst(all: readonly Operation[]): Operation[] {
  const rank = ({ path }: Operation) => path.replace(/\{\w+\}/g, '\uffff')
  return [...all].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
}

function otherSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : `${path}/`
}

/** The same with its slash, or without; by the address that clients know. */
function elsewhere({ baseUrl }: Host, c: FastpkiContext): string {
  const { pathname, search } = new URL(c.req.url)
  return `${baseUrl}${otherSlash(pathname)}${search}`
}

async function answer(host: Host, operation: Operation, c: FastpkiContext): Promise<Response> {
  try {
    const { incoming } = c.env
    const requester = operation.open ? anybody(host, incoming) : await authenticate(host, incoming)
    const params = readParams(c.req.param() as Record<string, string>)
    const query = readQuery(operation.query, new URL(c.req.url).searchParams)
    const body = await readInput(operation, incoming)
    const door = host.core.as(requester)
    const reply = await operation.run({ host, door, requester, incoming, params, query, body })
    return send(c, { status: operation.status ?? 200, ...reply })
  } catch (error) {
    return refusal(host, c, error)
  }
}

function refusal(host: Host, c: FastpkiContext, error: unknown): Response {
  const reply = asReply(error)
  if (reply.status >= 500 && !(error instanceof Failure))
    host.log.error({ err: error, request: requestId(c.env.incoming) }, 'a request failed')
  return send(c, reply)
}

function send(c: FastpkiContext, { status = 200, body, raw, headers = {} }: Reply): Response {
  const shared = { ...protection(c), ...headers }
  if (raw) {
    // The types of Response allow for shared memory, and no Buffer of ours is in any.
    const content = raw.content as string | Uint8Array<ArrayBuffer>
    return new Response(content, { status, headers: { 'Content-Type': raw.type, ...shared } })
  }
  if (body === undefined) return new Response(null, { status, headers: shared })
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...shared } })
}

/** What the contract says of every answer; over plain HTTP nothing about HTTPS (RFC 6797 section 7.2). */
function protection(c: FastpkiContext): Record<string, string> {
  const encrypted = (c.env.incoming.socket as Partial<TLSSocket>).encrypted === true
  return {
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cache-Control': 'no-store',
    ...(encrypted ? { 'Strict-Transport-Security': 'max-age=31536000' } : {}),
  }
}
