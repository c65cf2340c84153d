import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { readAuthorization } from '../../src/http/authorization.ts'
import { requireOwnPage } from '../../src/http/cookie.ts'
import type { Host } from '../../src/protocol.ts'

/** What a login has answered: the secret of a session, 43 characters of base64url. */
const SESSION = /^[A-Za-z0-9_-]{43}$/
const LONGEST = 16_384

/**
 * Who calls: by `Authorization: token="…"` or `Bearer …`, each with an API token, an access token or what a login has answered; without that header
 * by the client certificate. Throws Failure('unauthenticated' | 'forbidden').
 */
export async function authenticate(host: Host, incoming: IncomingMessage): Promise<Requester> {
  const known =
    incoming.headers.authorization === undefined
      ? await byCertificate(host, incoming)
      : await bySecret(host, secretOf(incoming))
  if (!known)
    throw new Failure('unauthenticated', 'Invalid or missing token: log in again, or send a token that is good.')
  return from(host, incoming, known)
}

/** Somebody without a name, for what is open to all. */
export function anybody(host: Host, incoming: IncomingMessage): Requester {
  return from(host, incoming, { kind: 'key-holder', ref: '', name: 'anybody', people: [] })
}

/** The secret in the Authorization header, in either form. */
export function secretOf(incoming: IncomingMessage): string | undefined {
  const { authorization = '' } = incoming.headers
  if (authorization.length > LONGEST) return undefined
  const [, quoted, plain] = /^token *= *(?:"([A-Za-z0-9+/=_.~-]+)"|([A-Za-z0-9+/=_.~-]+)) *$/i.exec(authorization) ?? []
  const shown = readAuthorization(incoming)
  return quoted ?? plain ?? (shown?.name === undefined ? shown?.secret : undefined)
}

async function bySecret({ core }: Host, secret: string | undefined): Promise<Requester | undefined> {
  if (secret === undefined) return undefined
  return SESSION.test(secret) ? core.authentication.session(secret) : core.authentication.bearer(secret)
}

async function byCertificate(host: Host, incoming: IncomingMessage): Promise<Requester | undefined> {
  const shown = host.clientCertificate(incoming)
  const known = shown && (await host.core.authentication.certificate(shown))
  if (known) requireOwnPage(host, incoming, { orProgram: true })
  return known
}

function from(host: Host, incoming: IncomingMessage, requester: Requester): Requester {
  const source = host.sourceAddress(incoming)
  return source === undefined ? requester : { ...requester, source }
}
