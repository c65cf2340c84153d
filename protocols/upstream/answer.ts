import type { IncomingMessage } from 'node:http'
import type { Requester } from '../../src/core/requester.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import type { Host } from '../../src/protocol.ts'

const path = /^\/\.well-known\/acme-challenge\/([\w-]{16,256})$/

/** RFC 8555 section 8.3: the key authorization of a token that a CA upstream has given to us, from any node. */
export async function answer(host: Host, incoming: IncomingMessage): Promise<HttpAnswer> {
  const [, token] = path.exec(incoming.url ?? '') ?? []
  if (token === undefined) return nothing()
  if (incoming.method !== 'GET' && incoming.method !== 'HEAD')
    return plain(405, 'this can only be read', { Allow: 'GET, HEAD' })
  const source = host.sourceAddress(incoming)
  try {
    const door = host.core.as(anyone(source))
    const body = await door.keyAuthorization(token)
    if (body === undefined) return nothing()
    const headers = { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' }
    return { status: 200, headers: { ...headers, 'X-Content-Type-Options': 'nosniff' }, body }
  } catch (error) {
    if (error instanceof DatabaseUnavailable) return plain(503, 'ask again', { 'Retry-After': '5' })
    throw error
  }
}

function nothing(): HttpAnswer {
  return plain(404, 'no upstream CA asked for this')
}

function anyone(source: string | undefined): Requester {
  const from = source === undefined ? {} : { source }
  return { kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [], ...from }
}
