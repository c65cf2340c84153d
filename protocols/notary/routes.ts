import { type Context, Hono } from 'hono'
import { Failure } from '../../src/core/failure.ts'
import { requestId } from '../../src/http/requestId.ts'
import type { Host, NodeBindings } from '../../src/protocol.ts'
import { answer, refuse } from './answer.ts'
import { anybody, authenticate } from './authenticate.ts'
import { asRefusal } from './errors.ts'
import { readId, readInput } from './input.ts'
import { createNotaryMetrics } from './metrics.ts'
import type { Call, Operation, Reply } from './operation.ts'
import { operations } from './operations.ts'

type NotaryContext = Context<{ Bindings: NodeBindings }>

const BASE = '/notary'

/** Every operation of the list, below /notary. */
export function notaryRoutes(host: Host): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>()
  const metrics = createNotaryMetrics(host)
  const all = operations(metrics)
  // Words before numbers, so that `/accounts/me` is nobody's number.
  const sorted = [...all].sort((a, b) => Number(a.path.includes(':id')) - Number(b.path.includes(':id')))
  for (const operation of sorted)
    app.on(operation.method.toUpperCase(), `${BASE}${operation.path}`, async (c) => {
      const began = performance.now()
      const response = await respond(host, operation, c)
      metrics.answered(operation.method.toUpperCase(), response.status, (performance.now() - began) / 1000)
      return response
    })
  for (const path of new Set(sorted.map((operation) => operation.path))) {
    const methods = all.filter((operation) => operation.path === path).map(({ method }) => method.toUpperCase())
    const known = methods.join(', ')
    const body = { error: 'Method Not Allowed', message: `method not allowed: this resource knows ${known}` }
    app.all(`${BASE}${path}`, () => refuse({ status: 405, body, headers: { Allow: known } }))
  }
  app.all('*', () => refuse(asRefusal(new Failure('notFound', 'there is no such resource'))))
  app.onError((error, c) => failed(host, c, error))
  return app
}

async function respond(host: Host, operation: Operation, c: NotaryContext): Promise<Response> {
  try {
    return answer(operation.status ?? 200, (await run(host, operation, c)) ?? {})
  } catch (error) {
    return failed(host, c, error, operation.conflict)
  }
}

async function run(host: Host, operation: Operation, c: NotaryContext): Promise<Reply | undefined> {
  const { incoming } = c.env
  const given = c.req.param() as Record<string, string>
  if (operation.roles === 'public') {
    const door = host.core.as(anybody(host, incoming))
    return operation.run({ host, door, incoming, id: readId(given.id), body: await readInput(operation, incoming) })
  }
  const caller = await authenticate(host, incoming)
  if (!operation.roles.includes(caller.role))
    throw new Failure('forbidden', `this is for the roles ${operation.roles.join(', ')}, and yours is ${caller.role}`)
  const id = readId(given.id)
  const body = await readInput(operation, incoming)
  const call: Call = { host, door: host.core.as(caller.requester), incoming, caller, id, body }
  return operation.run(call)
}

function failed(host: Host, c: NotaryContext, error: unknown, conflict?: 400 | 422): Response {
  const refusal = asRefusal(error, conflict)
  if (refusal.status === 500) host.log.error({ err: error, request: requestId(c.env.incoming) }, 'a request failed')
  return refuse(refusal)
}
