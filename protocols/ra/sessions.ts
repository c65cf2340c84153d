import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { readCookie, requireOwnPage, secretCookie } from '../../src/http/cookie.ts'
import { loginPlace, noSessionCookie, readSession, sessionCookie } from '../../src/http/session.ts'
import type { Host } from '../../src/protocol.ts'
import { when } from './fields.ts'
import { operation } from './operation.ts'
import { text } from './text.ts'

const OIDC_COOKIE = 'oidc-login'
const OIDC_PATH = '/api/v1/countersign/sessions/oidc'
const tag = 'Sessions'

const secret = z.string().min(1).max(1000)

const opened = z.object({ uuid: z.string(), user: z.string(), endsAt: when })

const session = z.object({
  uuid: z.string(),
  user: z.string(),
  method: z.string(),
  source: z.string().nullable(),
  userAgent: z.string().nullable(),
  createdAt: when,
  lastSeenAt: when,
  endsAt: when,
  idleEndsAt: when,
})

/** People log in, and see and end what is open. */
export const sessionOperations = [
  operation({
    method: 'post',
    path: '/v1/countersign/sessions',
    tag,
    summary: 'Logs in by name and password: the session is in the cookie __Host-session-id.',
    open: true,
    body: z.strictObject({ username: text(200), password: secret }),
    status: 201,
    answer: opened,
    async run({ host, incoming, body }) {
      requireOwnPage(host, incoming, { orProgram: true })
      const made = await host.core.authentication.login(body.username, body.password, loginPlace(host, incoming))
      if (!made) throw new Failure('unauthenticated', 'the name or the password is wrong')
      const { uuid, endsAt, requester } = made
      return { headers: { 'Set-Cookie': sessionCookie(host, made) }, body: { uuid, user: requester.name, endsAt } }
    },
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/sessions/current',
    tag,
    summary: 'Logs out.',
    status: 204,
    async run({ host, incoming }) {
      const shown = readSession(incoming)
      if (shown !== undefined) await host.core.authentication.logout(shown)
      return { headers: { 'Set-Cookie': noSessionCookie() } }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/sessions',
    tag,
    summary: 'Open sessions: one’s own; those of the organization for its administrator.',
    query: z.object({ user: text(100).optional() }),
    answer: z.array(session),
    run: async ({ door, query }) => ({ body: await door.identities.sessions(query.user) }),
  }),
  operation({
    method: 'delete',
    path: '/v1/countersign/sessions/{uuid}',
    tag,
    summary: 'Ends a session.',
    status: 204,
    async run({ door, params }) {
      await door.identities.endSession(params.uuid)
      return undefined
    },
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/sessions/oidc',
    tag,
    summary: 'Sends the browser to the OpenID provider. `returnTo`: a path of this server for afterwards.',
    open: true,
    query: z.object({ returnTo: z.string().max(500).optional() }),
    status: 302,
    async run({ host, query }) {
      const { url, cookie } = await provider(host).begin({ returnTo: query.returnTo })
      const carried = secretCookie(OIDC_COOKIE, cookie, { path: OIDC_PATH, seconds: 600 })
      return { headers: { Location: url, 'Set-Cookie': carried } }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/countersign/sessions/oidc/callback',
    tag,
    summary: 'Where the OpenID provider sends the browser back to: opens the session.',
    open: true,
    query: z.object({
      code: z.string().max(4096).optional(),
      state: z.string().max(200).optional(),
      iss: z.string().max(500).optional(),
      error: z.string().max(200).optional(),
    }),
    status: 302,
    async run({ host, incoming, query }) {
      const carried = { cookie: readCookie(incoming, OIDC_COOKIE), place: loginPlace(host, incoming) }
      const made = await provider(host).finish(query, carried)
      return { headers: { Location: `${host.baseUrl}${made.returnTo}`, 'Set-Cookie': sessionCookie(host, made) } }
    },
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/password',
    tag,
    summary: 'Sets a password: by the present one, or by the secret of a link. All sessions of the user end.',
    open: true,
    body: z.union([
      z.strictObject({ username: text(200), password: secret, next: secret }),
      z.strictObject({ link: secret, next: secret }),
    ]),
    status: 204,
    async run({ host, incoming, body }) {
      requireOwnPage(host, incoming, { orProgram: true })
      const { authentication } = host.core
      const place = loginPlace(host, incoming)
      if ('link' in body) await authentication.usePasswordLink(body.link, body.next, place)
      else await authentication.changePassword(body.username, body.password, body.next, place)
      return undefined
    },
  }),
]

function provider({ core }: Host) {
  const { oidc } = core.authentication
  if (!oidc) throw new Failure('notFound', 'there is no OpenID provider to log in with: it stands in the configuration')
  return oidc
}
