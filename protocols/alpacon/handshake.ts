import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { requireOwnPage } from '../../src/http/cookie.ts'
import { VERSION } from '../../src/protocol.ts'
import { authenticate, secretOf } from './authenticate.ts'
import { text } from './input.ts'
import { operation } from './operation.ts'
import { pageFields, pageOf, requirePage, slice } from './page.ts'
import { userView } from './userView.ts'

/** The one machine on which authorities run; the client asks for its id before it makes one. */
export const server = { id: 'countersign', name: 'countersign', os: null, is_connected: true }

/** What the client asks before it asks for anything else. */
export const handshakeOperations = [
  operation({
    method: 'GET',
    path: '/',
    open: true,
    run: async () => ({ body: { name: 'countersign', version: VERSION } }),
  }),
  operation({
    method: 'GET',
    path: '/api/auth/env/',
    open: true,
    // Anything but auth0: the client then logs in with a name and a password, or with a token.
    run: async () => ({ body: { auth0: { method: 'legacy' }, language: 'en' } }),
  }),
  operation({ method: 'GET', path: '/api/status/', run: async () => ({ body: { status: 'ok' } }) }),
  operation({
    method: 'POST',
    path: '/api/auth/login/',
    open: true,
    body: z.object({ username: text(200).min(1), password: z.string().min(1).max(1000) }),
    async run({ host, incoming, body }) {
      requireOwnPage(host, incoming, { orProgram: true })
      const { 'user-agent': userAgent } = incoming.headers
      // Nobody can tell whose address it is: not this machine's own, by which only the command line comes.
      const place = {
        source: host.sourceAddress(incoming) ?? 'unknown',
        ...(userAgent === undefined ? {} : { userAgent }),
      }
      const made = await host.core.authentication.login(body.username, body.password, place)
      if (!made) throw new Failure('unauthenticated', 'Unable to log in with provided credentials.')
      return { body: { token: made.secret, expires_at: made.endsAt.toISOString() } }
    },
  }),
  operation({
    method: 'POST',
    path: '/api/auth/logout/',
    async run({ host, incoming }) {
      const secret = secretOf(incoming)
      if (secret !== undefined) await host.core.authentication.logout(secret)
      return { body: {} }
    },
  }),
  operation({
    method: 'GET',
    path: '/api/auth/is-authenticated/',
    open: true,
    async run({ host, incoming }) {
      try {
        await authenticate(host, incoming)
        return { body: { authenticated: true } }
      } catch (error) {
        const nobody = error instanceof Failure && error.code === 'unauthenticated'
        if (nobody && incoming.headers.authorization === undefined) return { body: { authenticated: false } }
        throw error
      }
    },
  }),
  operation({
    method: 'GET',
    path: '/api/auth/whoami/',
    async run({ door, requester }) {
      const user = userView(await door.identities.me())
      const scopes = requester.scope?.capabilities ?? ['*']
      return { body: { principal_type: 'user', auth: { scopes }, user } }
    },
  }),
  operation({
    method: 'GET',
    path: '/api/iam/users/-/',
    run: async ({ door }) => ({ body: userView(await door.identities.me()) }),
  }),
  operation({
    method: 'GET',
    path: '/api/iam/users/',
    query: z.object({ ...pageFields, username: text(200).optional() }),
    async run({ door, query }) {
      const all = (await door.admin.users()).filter(
        ({ name }) => query.username === undefined || name === query.username.toLowerCase(),
      )
      requirePage(query, all.length)
      return { body: pageOf(query, all.length, slice(query, all).map(userView)) }
    },
  }),
  operation({
    method: 'GET',
    path: '/api/servers/servers/',
    query: z.object({ ...pageFields, name: text(200).optional() }),
    async run({ query }) {
      const all = query.name === undefined || query.name === server.name ? [server] : []
      requirePage(query, all.length)
      return { body: pageOf(query, all.length, all) }
    },
  }),
]
