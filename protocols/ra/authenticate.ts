import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { readAuthorization } from '../../src/http/authorization.ts'
import type { Host } from '../../src/protocol.ts'

/** Who calls. Throws Failure('unauthenticated'). */
export async function authenticate(host: Host, incoming: IncomingMessage): Promise<Requester> {
  const shown = readAuthorization(incoming)
  const known = shown && shown.name === undefined ? await host.core.authentication.token(shown.secret) : undefined
  if (!known) throw new Failure('unauthenticated', 'show a token: Authorization: Bearer …')
  return from(host, incoming, known)
}

/** Somebody without a name, for what is open to all. */
export function anybody(host: Host, incoming: IncomingMessage): Requester {
  return from(host, incoming, { kind: 'key-holder', ref: '', name: 'anybody', people: [] })
}

function from(host: Host, incoming: IncomingMessage, requester: Requester): Requester {
  const source = host.sourceAddress(incoming)
  return source === undefined ? requester : { ...requester, source }
}
