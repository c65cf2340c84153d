import type { IncomingMessage } from 'node:http'
import type { UserView } from '../../src/core/admin.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { readAuthorization } from '../../src/http/authorization.ts'
import { readCookie, requireOwnPage } from '../../src/http/cookie.ts'
import type { Host } from '../../src/protocol.ts'
import { readToken } from './jwt.ts'
import { type Role, roleOf } from './role.ts'

/** The contract's name for it. */
export const TOKEN_COOKIE = 'user_token'

export interface Caller {
  requester: Requester
  user: UserView
  role: Role
}

/**
 * Who calls: by the Authorization header, whose word is the only one where there is one, else by the cookie. Both hold the token of a login; the
 * header may also hold a token of the core, or one of the OpenID provider. Throws Failure('unauthenticated' | 'forbidden').
 */
export async function authenticate(host: Host, incoming: IncomingMessage): Promise<Caller> {
  const known = await identify(host, incoming)
  if (!known) throw new Failure('unauthenticated', 'log in, and send the token as Authorization: Bearer … or as cookie')
  const requester = from(host, incoming, known)
  const user = await host.core.as(requester).identities.me()
  const role = roleOf(user)
  if (role === undefined) throw new Failure('forbidden', `${user.name} has no role here: an administrator gives one`)
  return { requester, user, role }
}

async function identify(host: Host, incoming: IncomingMessage): Promise<Requester | undefined> {
  const { core } = host
  if (incoming.headers.authorization === undefined) {
    const session = sessionOf(host, readCookie(incoming, TOKEN_COOKIE))
    const known = session === undefined ? undefined : await core.authentication.session(session)
    if (known) requireOwnPage(host, incoming, { orProgram: true })
    return known
  }
  const shown = readAuthorization(incoming)
  if (!shown || shown.name !== undefined) return undefined
  const session = sessionOf(host, shown.secret)
  return session === undefined ? core.authentication.bearer(shown.secret) : core.authentication.session(session)
}

/** The session behind whatever token a request shows, for logging out. */
export function sessionShown(host: Host, incoming: IncomingMessage): string | undefined {
  return sessionOf(host, readAuthorization(incoming)?.secret ?? readCookie(incoming, TOKEN_COOKIE))
}

function sessionOf({ secret, clock }: Host, token: string | undefined): string | undefined {
  return token === undefined ? undefined : readToken(secret, token, clock())
}

/** Somebody without a name, for what is open to all. */
export function anybody(host: Host, incoming?: IncomingMessage): Requester {
  const nobody: Requester = { kind: 'key-holder', ref: '', name: 'anybody', people: [] }
  return incoming ? from(host, incoming, nobody) : nobody
}

function from(host: Host, incoming: IncomingMessage, requester: Requester): Requester {
  const source = host.sourceAddress(incoming)
  return source === undefined ? requester : { ...requester, source }
}
