import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { readBody } from '../../src/http/body.ts'
import type { Host } from '../../src/protocol.ts'
import { operate } from './operation.ts'
import { optionsOf } from './options.ts'
import { readTarget } from './paths.ts'

const MAX_MESSAGE = 256 * 1024

/** `application/pkixcmp-poll` is an older name for the same (RFC 9811 section 4). */
const TYPES = /^application\/pkixcmp(-poll)?$/i

/** One message over HTTP: RFC 9811 section 3. */
export async function answer(host: Host, incoming: IncomingMessage): Promise<HttpAnswer> {
  const target = readTarget(incoming.url ?? '')
  if (!target) return plain(404, 'ask at /cmp/{profile} or /.well-known/cmp/p/{profile}')
  if (incoming.method !== 'POST') return plain(405, 'CMP takes POST', { Allow: 'POST' })
  const [type = ''] = (incoming.headers['content-type'] ?? '').split(';')
  if (!TYPES.test(type.trim()))
    return plain(415, 'a message of CMP has the type application/pkixcmp', { Connection: 'close' })
  try {
    const source = host.sourceAddress(incoming)
    const door = host.core.as(anyone(source))
    const profile = await door.profile(target.profile, 'cmp')
    const exchange = { host, incoming, profile, options: optionsOf(profile), source, door, now: host.clock() }
    return await operate(exchange, target, await readBody(incoming, MAX_MESSAGE))
  } catch (error) {
    return refuse(error)
  }
}

function anyone(source: string | undefined): Requester {
  const known = source === undefined ? {} : { source }
  return { kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [], ...known }
}

/** What came before there was a message to answer. Anything else is thrown again. */
function refuse(error: unknown): HttpAnswer {
  if (error instanceof DatabaseUnavailable) return plain(503, 'ask again', { 'Retry-After': '5' })
  if (!(error instanceof Failure)) throw error
  switch (error.code) {
    case 'notFound':
      return plain(404, error.detail, { Connection: 'close' })
    case 'malformed':
      return plain(400, error.detail, { Connection: 'close' })
    case 'tooLarge':
      return plain(413, error.detail, { Connection: 'close' })
    default:
      throw error
  }
}
