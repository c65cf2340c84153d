import { type Context, Hono } from 'hono'
import { Failure } from '../../src/core/failure.ts'
import { requestId } from '../../src/http/requestId.ts'
import type { Host, NodeBindings } from '../../src/protocol.ts'
import { anybody, authenticate } from './authenticate.ts'
import { asReply } from './errors.ts'
import { checkParams, readInput, readQuery } from './input.ts'
import { openApiOperations } from './openapi.ts'
import type { Operation, Reply } from './operation.ts'
import { operations } from './operations.ts'

type RaContext = Context<{ Bindings: NodeBindings }>

/** Every operation of the list below /api; two slashes before it are read as one, as some clients write them. */
export function raRoutes(host: Host): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>({
    getPath: (request) => new URL(request.url).pathname.replace(/\/{2,}/g, '/'),
  })
  const all = [...operations, ...openApiOperations(operations)]
  for (const operation of sorted(all)) {
    app.on(operation.method.toUpperCase(), `/api${operation.path.replace(/\{(\w+)\}/g, ':$1')}`, (c) =>
      answer(host, operation, c),
    )
  }
  for (const path of new Set(all.map((operation) => operation.path))) {
    const methods = all.filter((operation) => operation.path === path).map(({ method }) => method.toUpperCase())
    app.all(`/api${path.replace(/\{(\w+)\}/g, ':$1')}`, () =>
      send({
        status: 400,
        headers: { Allow: methods.join(', ') },
        body: { message: `this resource knows ${methods.join(', ')}` },
      }),
    )
  }
  app.all('*', () =>
    send({ status: 404, body: { message: 'there is no such resource; /api/openapi.json has them all' } }),
  )
  app.onError((error, c) => refusal(host, c, error))
  return app
}

/** Words before parameters, so that `/v1/certificates/upload` is no certificate. */
function sorted(all: readonly Operation[]): Operation[] {
  const rank = ({ path }: Operation) => path.replace(/\{\w+\}/g, '\uffff')
  return [...all].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
}

async function answer(host: Host, operation: Operation, c: RaContext): Promise<Response> {
  try {
    const { incoming } = c.env
    const requester = operation.open ? anybody(host, incoming) : await authenticate(host, incoming)
    const params = checkParams(c.req.param() as Record<string, string>)
    const query = readQuery(operation.query, new URL(c.req.url).searchParams)
    const body = await readInput(operation, incoming)
    const door = host.core.as(requester)
    const reply = await operation.run({ host, door, requester, incoming, params, query, body })
    return send({ status: operation.status ?? 200, ...reply })
  } catch (error) {
    return refusal(host, c, error, operation.conflict)
  }
}

function refusal(host: Host, c: RaContext, error: unknown, conflict?: 409 | 422): Response {
  const reply = asReply(error, conflict)
  if (reply.status >= 500 && !(error instanceof Failure))
    host.log.error({ err: error, request: requestId(c.env.incoming) }, 'a request failed')
  return send(reply)
}

function send({ status = 200, body, raw, headers = {} }: Reply): Response {
  const shared = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', ...headers }
  if (raw) {
    // The types of Response allow for shared memory, and no Buffer of ours is in any.
    const content = raw.content as string | Uint8Array<ArrayBuffer>
    return new Response(content, { status, headers: { 'Content-Type': raw.type, ...shared } })
  }
  if (body === undefined) return new Response(null, { status, headers: shared })
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...shared } })
}
