import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { readAuthorization } from '../../src/http/authorization.ts'
import { requireOwnPage } from '../../src/http/cookie.ts'
import { readSession } from '../../src/http/session.ts'
import type { Host } from '../../src/protocol.ts'

/**
 * Who calls: by the Authorization header, whose word is the only one where there is one; else by the session in the cookie; else
 * by the client certificate. What a browser sends along by itself changes things only from pages of this server.
 * Throws Failure('unauthenticated' | 'forbidden').
 */
export async function authenticate(host: Host, incoming: IncomingMessage): Promise<Requester> {
  const known =
    incoming.headers.authorization === undefined
      ? ((await bySession(host, incoming)) ?? (await byCertificate(host, incoming)))
      : await byBearer(host, incoming)
  if (!known) throw new Failure('unauthenticated', 'show a token: Authorization: Bearer …')
  return from(host, incoming, known)
}

async function byBearer({ core }: Host, incoming: IncomingMessage): Promise<Requester | undefined> {
  const shown = readAuthorization(incoming)
  return shown && shown.name === undefined ? core.authentication.bearer(shown.secret) : undefined
}

async function bySession(host: Host, incoming: IncomingMessage): Promise<Requester | undefined> {
  const secret = readSession(incoming)
  const known = secret === undefined ? undefined : await host.core.authentication.session(secret)
  if (known) requireOwnPage(host, incoming, { orProgram: false })
  return known
}

async function byCertificate(host: Host, incoming: IncomingMessage): Promise<Requester | undefined> {
  const shown = host.clientCertificate(incoming)
  const known = shown && (await host.core.authentication.certificate(shown))
  if (known) requireOwnPage(host, incoming, { orProgram: true })
  return known
}

/** Somebody without a name, for what is open to all. */
export function anybody(host: Host, incoming: IncomingMessage): Requester {
  return from(host, incoming, { kind: 'key-holder', ref: '', name: 'anybody', people: [] })
}

function from(host: Host, incoming: IncomingMessage, requester: Requester): Requester {
  const source = host.sourceAddress(incoming)
  return source === undefined ? requester : { ...requester, source }
}
