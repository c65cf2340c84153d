import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { requireOwnPage } from '../../src/http/cookie.ts'
import { loginPlace } from '../../src/http/session.ts'
import type { Host } from '../../src/protocol.ts'
import { sessionShown, TOKEN_COOKIE } from './authenticate.ts'
import { fields } from './input.ts'
import { writeToken } from './jwt.ts'
import { openOperation } from './operation.ts'
import { roleOf } from './role.ts'

const TOKEN_SECONDS = 3600
const COOKIE_SECONDS = 7200

const given = (what: string) =>
  z.string(`${what} is required`).min(1, `${what} is required`).max(800, `${what} is too long`)

export const sessionOperations = [
  openOperation({
    method: 'post',
    path: '/login',
    body: fields({
      email: given('Email').optional(),
      username: given('Username').optional(),
      password: given('Password').optional(),
    }),
    async run({ host, incoming, body }) {
      requireOwnPage(host, incoming, { orProgram: true })
      const name = body.email ?? body.username
      if (name === undefined) throw new Failure('malformed', 'Email is required')
      if (body.password === undefined) throw new Failure('malformed', 'Password is required')
      const token = await logIn(host, incoming, { name, password: body.password })
      return { data: { message: 'success', token }, headers: { 'Set-Cookie': cookie(token, COOKIE_SECONDS) } }
    },
  }),
  openOperation({
    method: 'post',
    path: '/logout',
    async run({ host, incoming }) {
      // Also of what shows no cookie: the browser keeps a SameSite one to itself, and would forget it all the same.
      requireOwnPage(host, incoming, { orProgram: true })
      const session = sessionShown(host, incoming)
      if (session !== undefined) await host.core.authentication.logout(session)
      return { headers: { 'Set-Cookie': cookie('', 0) } }
    },
  }),
]

async function logIn(
  host: Host,
  incoming: IncomingMessage,
  { name, password }: { name: string; password: string },
): Promise<string> {
  const opened = await host.core.authentication.login(name, password, loginPlace(host, incoming))
  if (!opened) throw new Failure('unauthenticated', 'The email or password is incorrect')
  const user = await host.core.as(opened.requester).identities.me()
  const role = roleOf(user)
  if (role === undefined) {
    await host.core.authentication.logout(opened.secret)
    throw new Failure('forbidden', `${user.name} has no role here: an administrator gives one`)
  }
  const exp = Math.floor(host.clock().getTime() / 1000) + TOKEN_SECONDS
  return writeToken(host.secret, { id: user.id, email: user.name, role_id: role, exp, jti: opened.secret })
}

function cookie(token: string, seconds: number): string {
  return `${TOKEN_COOKIE}=${token}; Path=/; Max-Age=${seconds}; HttpOnly; Secure; SameSite=Strict`
}
