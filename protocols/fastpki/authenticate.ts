import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { readAuthorization } from '../../src/http/authorization.ts'
import type { Host } from '../../src/protocol.ts'
import { looksLikeAccessToken, readAccessToken } from './accessToken.ts'
import { requesterOf } from './tokenFamily.ts'

/** Who calls: `Authorization: Bearer` with an access token of /auth/token, an API token, or a token of the OpenID provider. Throws Failure('unauthenticated'). */
export async function authenticate(host: Host, incoming: IncomingMessage): Promise<Requester> {
  if (incoming.headers.authorization === undefined) throw new Failure('unauthenticated', 'Not authenticated')
  const shown = readAuthorization(incoming)
  const known = shown && shown.name === undefined ? await byToken(host, shown.secret) : undefined
  if (!known) throw new Failure('unauthenticated', 'Could not validate credentials')
  return from(host, incoming, known)
}

async function byToken(host: Host, text: string): Promise<Requester | undefined> {
  if (!looksLikeAccessToken(text)) return host.core.authentication.bearer(text)
  const family = await readAccessToken(host, text)
  return family === undefined ? undefined : requesterOf(host, family)
}

/** Somebody without a name, for what is open to all. */
export function anybody(host: Host, incoming: IncomingMessage): Requester {
  return from(host, incoming, { kind: 'key-holder', ref: '', name: 'anybody', people: [] })
}

function from(host: Host, incoming: IncomingMessage, requester: Requester): Requester {
  const source = host.sourceAddress(incoming)
  return source === undefined ? requester : { ...requester, source }
}
