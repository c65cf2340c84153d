import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { readBody } from '../../src/http/body.ts'
import type { Host } from '../../src/protocol.ts'
import { caCertificate } from './caCertificate.ts'
import { capabilities } from './capabilities.ts'
import type { Exchange } from './exchange.ts'
import { hasNextCa, nextCaCertificates } from './nextCa.ts'
import { pkiOperation } from './operation.ts'
import { keySourceOf, optionsOf } from './options.ts'
import { decodeQueryMessage, MAX_TARGET, readTarget, type Target } from './paths.ts'

/** Of a message that is posted. */
const MAX_MESSAGE = 256 * 1024

/** One exchange over HTTP: RFC 8894 section 4.1. Errors are text, never JSON: the clients are devices. */
export async function answer(host: Host, incoming: IncomingMessage): Promise<HttpAnswer> {
  const url = incoming.url ?? ''
  if (url.length > MAX_TARGET)
    return plain(414, 'the message is too long for a query: post it', { Connection: 'close' })
  const target = readTarget(url)
  if (!target) return plain(404, 'ask at /scep/{profile}')
  try {
    return await dispatch(host, incoming, target)
  } catch (error) {
    return refuse(error)
  }
}

async function dispatch(host: Host, incoming: IncomingMessage, target: Target): Promise<HttpAnswer> {
  const { method } = incoming
  if (method === 'POST') return post(host, incoming, target)
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'SCEP takes GET and POST', { Allow: 'GET, HEAD, POST' })
  const exchange = await open(host, incoming, target)
  switch (target.operation) {
    case 'getcacaps':
      return capabilities(exchange.options, await hasNextCa(exchange))
    case 'getcacert':
      return caCertificate((await withKeys(exchange)).keys[0], exchange.options)
    case 'getnextcacert':
      return nextCaCertificates(exchange)
    case 'pkioperation': {
      if (method === 'HEAD') return plain(405, 'PKIOperation takes GET and POST', { Allow: 'GET, POST' })
      const bytes = decodeQueryMessage(target.message ?? '')
      if (!bytes) return plain(400, 'message: base64 of a pkiMessage')
      return pkiOperation(await withKeys(exchange), incoming, bytes)
    }
    default:
      return plain(400, 'operation: GetCACaps, GetCACert, GetNextCACert or PKIOperation')
  }
}

/** Only PKIOperation is posted, and many clients do not even say so (section 4.3). */
async function post(host: Host, incoming: IncomingMessage, target: Target): Promise<HttpAnswer> {
  if (target.operation !== undefined && target.operation !== '' && target.operation !== 'pkioperation')
    return plain(400, 'only PKIOperation is posted', { Connection: 'close' })
  const exchange = await open(host, incoming, target)
  const bytes = await readBody(incoming, MAX_MESSAGE)
  return pkiOperation(await withKeys(exchange), incoming, bytes)
}

async function open(host: Host, incoming: IncomingMessage, target: Target): Promise<Omit<Exchange, 'keys'>> {
  const source = host.sourceAddress(incoming)
  const door = host.core.as(anyone(source))
  const profile = await door.profile(target.profile, 'scep')
  return { host, profile, options: optionsOf(profile), source, door, now: host.clock() }
}

async function withKeys(exchange: Omit<Exchange, 'keys'>): Promise<Exchange> {
  const keys = await exchange.door.messageKeys(exchange.profile, keySourceOf(exchange.options))
  return { ...exchange, keys }
}

function anyone(source: string | undefined): Requester {
  const known = source === undefined ? {} : { source }
  return { kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [], ...known }
}

/** What is no refusal of the core is thrown again. */
function refuse(error: unknown): HttpAnswer {
  if (error instanceof DatabaseUnavailable) return plain(503, 'ask again', { 'Retry-After': '5' })
  if (!(error instanceof Failure)) throw error
  switch (error.code) {
    case 'notFound':
      return plain(404, error.detail)
    case 'malformed':
      return plain(400, error.detail, { Connection: 'close' })
    case 'tooLarge':
      return plain(413, error.detail, { Connection: 'close' })
    case 'rateLimited':
      return plain(429, error.detail, { 'Retry-After': String(error.retryAfter ?? 60) })
    case 'forbidden':
      return plain(403, error.detail)
    case 'unsupported':
    case 'unavailable':
      return plain(503, error.detail, { 'Retry-After': String(error.retryAfter ?? 60) })
    default:
      throw error
  }
}
