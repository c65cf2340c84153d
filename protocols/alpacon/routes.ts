import { type Context, Hono } from 'hono'
import { Failure } from '../../src/core/failure.ts'
import { requestId } from '../../src/http/requestId.ts'
import type { Host, NodeBindings } from '../../src/protocol.ts'
import { anybody, authenticate } from './authenticate.ts'
import { authorityOperations } from './authorities.ts'
import { certificateOperations } from './certificates.ts'
import { asReply } from './errors.ts'
import { handshakeOperations } from './handshake.ts'
import { readId, readInput, readQuery } from './input.ts'
import type { Operation, Reply } from './operation.ts'
import { revokeRequestOperations } from './revokeRequests.ts'
import { signRequestOperations } from './signRequests.ts'

type AlpaconContext = Context<{ Bindings: NodeBindings }>

const operations: readonly Operation[] = [
  ...handshakeOperations,
  ...signRequestOperations,
  ...revokeRequestOperations,
  ...certificateOperations,
  ...authorityOperations,
]

/** Every operation of the list below /alpacon. Its paths end in a slash; clients that leave it out, or send two, get the same answer. */
export function alpaconRoutes(host: Host): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>({
    getPath: (request) => `${new URL(request.url).pathname}/`.replace(/\/{2,}/g, '/'),
  })
  for (const operation of operations) app.on(operation.method, routeOf(operation), (c) => answer(host, operation, c))
  for (const route of new Set(operations.map(routeOf))) {
    const allowed = operations.filter((operation) => routeOf(operation) === route).map(({ method }) => method)
    app.all(route, (c) =>
      send({
        status: 405,
        headers: { Allow: allowed.join(', ') },
        body: { detail: `Method "${c.req.method}" not allowed.` },
      }),
    )
  }
  app.all('*', () => send({ status: 404, body: { detail: 'Not found.' } }))
  app.onError((error, c) => refusal(host, c, error))
  return app
}

const routeOf = ({ path }: Operation): string => `/alpacon${path.replace('{id}', ':id')}`

async function answer(host: Host, operation: Operation, c: AlpaconContext): Promise<Response> {
  try {
    const { incoming } = c.env
    const requester = operation.open ? anybody(host, incoming) : await authenticate(host, incoming)
    const id = readId(c.req.param('id'))
    const query = readQuery(operation.query, new URL(c.req.url).searchParams)
    const body = await readInput(operation, incoming)
    const door = host.core.as(requester)
    const reply = await operation.run({ host, door, requester, incoming, id, query, body })
    return send({ status: operation.status ?? 200, ...reply })
  } catch (error) {
    return refusal(host, c, error)
  }
}

function refusal(host: Host, c: AlpaconContext, error: unknown): Response {
  const reply = asReply(error)
  if (reply.status >= 500 && !(error instanceof Failure))
    host.log.error({ err: error, request: requestId(c.env.incoming) }, 'a request failed')
  return send(reply)
}

function send({ status = 200, body, headers = {} }: Reply): Response {
  const shared = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', ...headers }
  if (body === undefined) return new Response(null, { status, headers: shared })
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...shared } })
}
