import type { IncomingMessage } from 'node:http'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { Failure } from '../core/failure.ts'
import type { Requester } from '../core/requester.ts'
import { DatabaseUnavailable } from '../db/transaction.ts'
import { readAuthorization } from '../http/authorization.ts'
import { readBody } from '../http/body.ts'
import { requestId } from '../http/requestId.ts'
import { PkiError } from '../pki/error.ts'
import type { Host, NodeBindings, Protocol } from '../protocol.ts'
import { operationTable } from './operationTable.ts'
import { httpStatus, toWire } from './wireFailure.ts'

type Bound = Context<{ Bindings: NodeBindings }>

const PLACE = '/api/v1/countersign/operations'
const largestBody = 8 * 2 ** 20
/** No input comes near; who writes a tree out, or looks into it, may call itself so often. */
const deepest = 64

/**
 * The command line's operations over HTTPS, beside the REST: POST …/operations/{name} with {"input": …}, as whoever an API token or an access
 * token of the OpenID provider stands for. Nobody is the local operator here (docs/decisions/cli.md).
 */
export const commandLine: Protocol = {
  name: 'cli',
  mounts: [{ path: PLACE, listeners: ['https', 'mtls'] }],
  options: z.strictObject({}),
  routes,
}

function routes(host: Host): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>()
  app.post(`${PLACE}/:name{[a-z.-]{1,50}}`, (c) => answer(host, c))
  app.all('*', () => refused(new Failure('notFound', `an operation is a POST to ${PLACE}/NAME`)))
  app.onError((error, c) => failed(host, c, error))
  return app
}

async function answer(host: Host, c: Bound): Promise<Response> {
  const { incoming } = c.env
  try {
    // First of all: nobody whom we do not know has us read megabytes.
    const requester = await requesterOf(host, incoming)
    const name = c.req.param('name') ?? ''
    const operation = operationTable.get(name)
    if (!operation) throw new Failure('notFound', `this server knows no operation ${name}: is it of another version?`)
    const input = inputOf(await readBody(incoming, largestBody))
    const output = await operation.execute({ requester, door: host.core.as(requester), over: 'ra' }, input)
    return reply(200, { output: output ?? null })
  } catch (error) {
    return failed(host, c, error)
  }
}

/** By the Authorization header alone: what a browser sends along by itself stands for nobody. Throws Failure('unauthenticated'). */
async function requesterOf(host: Host, incoming: IncomingMessage): Promise<Requester> {
  const shown = readAuthorization(incoming)
  const token = shown?.name === undefined ? shown?.secret : undefined
  const known = token === undefined ? undefined : await host.core.authentication.bearer(token)
  if (!known)
    throw new Failure('unauthenticated', 'the token is unknown, revoked, past its time, or of a user who is disabled')
  const source = host.sourceAddress(incoming)
  return source === undefined ? known : { ...known, source }
}

/** Throws Failure('malformed'). */
function inputOf(octets: Buffer): unknown {
  if (octets.length === 0) return {}
  const body = parsed(octets)
  refuseOdd(body)
  if (typeof body === 'object' && body !== null && 'input' in body) return body.input
  throw new Failure('malformed', 'the body is {"input": …}')
}

function parsed(octets: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets))
  } catch (cause) {
    throw new Failure('malformed', 'the body is no JSON in UTF-8', { cause })
  }
}

/** What is nested too deeply, and text that no database takes. Level by level: nothing here calls itself. */
function refuseOdd(given: unknown): void {
  let level = [given]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) throw new Failure('malformed', `the input is nested deeper than ${deepest} levels`)
    if (level.some((value) => typeof value === 'string' && /[\0\p{Cs}]/u.test(value)))
      throw new Failure('malformed', 'the input has text with NUL or half of a surrogate pair')
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? [...Object.keys(value), ...Object.values(value)] : [],
    )
  }
}

function failed(host: Host, c: Bound, error: unknown): Response {
  const failure = asFailure(error)
  if (failure.code === 'internal')
    host.log.error({ err: error, request: requestId(c.env.incoming) }, 'an operation of the command line failed')
  return refused(failure)
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure && error.code !== 'internal') return error
  if (error instanceof PkiError) return new Failure('malformed', error.message, { cause: error })
  if (error instanceof DatabaseUnavailable) return new Failure('unavailable', error.told, { cause: error })
  return new Failure('internal', 'something went wrong; the log of the server says what', { cause: error })
}

function refused(failure: Failure): Response {
  return reply(httpStatus[failure.code], toWire(failure), failure.code === 'tooLarge' ? { Connection: 'close' } : {})
}

function reply(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...headers,
    },
  })
}
