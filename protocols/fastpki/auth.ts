import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { LoginPlace } from '../../src/core/login/session.ts'
import { newAccessToken } from './accessToken.ts'
import { type Call, operation } from './operation.ts'
import { admitSignIn } from './signInRate.ts'
import { closeFamilies, closeFamily, openFamily, rotate, type TokenFamily } from './tokenFamily.ts'
import { roleOf } from './userView.ts'

const tag = 'auth'
const secret = z.string().min(1).max(1000)
const pair = z.object({ access_token: z.string(), refresh_token: z.string(), token_type: z.literal('bearer') })
const refresh = z.object({ refresh_token: secret })

/** Tokens: one log-in gives a family of them. */
export const authOperations = [
  operation({
    method: 'post',
    path: '/auth/token',
    tag,
    summary: 'Logs in by name and password, five times a minute from one address.',
    open: true,
    form: true,
    body: z.object({ username: z.string().min(1).max(200), password: secret }),
    answer: pair,
    async run(call) {
      const { host, incoming, body } = call
      const source = host.sourceAddress(incoming)
      await admitSignIn(host, source)
      const opened = await host.core.authentication.login(body.username, body.password, placeOf(call, source))
      if (!opened) throw new Failure('unauthenticated', 'Incorrect username or password')
      return { body: await pairOf(call, await openFamily(host, opened)) }
    },
  }),
  operation({
    method: 'post',
    path: '/auth/refresh',
    tag,
    summary:
      'A new pair for a refresh token, which is good once: one that comes twice ends all that came of its log-in.',
    open: true,
    body: refresh,
    answer: pair,
    async run(call) {
      const family = await rotate(call.host, call.body.refresh_token)
      if (!family) throw new Failure('unauthenticated', 'Invalid or expired refresh token')
      return { body: await pairOf(call, family) }
    },
  }),
  operation({
    method: 'post',
    path: '/auth/logout',
    tag,
    summary: 'Ends the tokens of one log-in.',
    body: refresh,
    status: 204,
    async run({ host, requester, body }) {
      const done = await closeFamily(host, body.refresh_token, requester.people[0] ?? 0)
      if (done === 'unknown') throw new Failure('unauthenticated', 'Invalid or expired refresh token')
      if (done === 'another’s') throw new Failure('forbidden', 'This refresh token belongs to another user')
      return undefined
    },
  }),
  operation({
    method: 'post',
    path: '/auth/invalidate',
    tag,
    summary: 'Ends every log-in of the caller, in the console too. API tokens stay: each is revoked by itself.',
    status: 204,
    async run({ host, door, requester }) {
      await door.identities.endSessions(requester.name)
      await closeFamilies(host, requester.people[0] ?? 0)
      return undefined
    },
  }),
]

function placeOf({ incoming }: Pick<Call, 'incoming'>, source: string | undefined): LoginPlace {
  const { 'user-agent': userAgent } = incoming.headers
  // Nobody can tell whose address it is: not this machine's own, by which only the command line comes.
  return { source: source ?? 'unknown', ...(userAgent === undefined ? {} : { userAgent }) }
}

async function pairOf({ host }: Pick<Call, 'host'>, family: TokenFamily): Promise<z.output<typeof pair>> {
  const { id, name, ...me } = await host.core.as(family.requester).identities.me()
  const user = { id, name, role: roleOf(me) }
  return {
    access_token: await newAccessToken(host, { family: family.uuid, user }),
    refresh_token: family.refreshToken,
    token_type: 'bearer',
  }
}
