import { hostname } from 'node:os'
import { Failure } from '../../core/failure.ts'
import { callHttps, type Server } from './httpsCall.ts'
import { callRest, jsonOf } from './rest.ts'

export interface MadeToken {
  text: string
  uuid: string
  user: string
  expiresAt: string | null
}

/**
 * A token of the user's own, made with his password over a session that ends at once: a token can be ended one by one, and is what programs
 * show. Throws Failure: unauthenticated, rateLimited, unavailable.
 */
export async function makeToken(
  server: Server,
  { user, password, days }: { user: string; password: string; days: number },
): Promise<MadeToken> {
  const sessions = '/v1/countersign/sessions'
  const opened = await callHttps(server, {
    method: 'POST',
    path: `/api${sessions}`,
    body: { username: user, password },
  })
  if (opened.status === 401) throw new Failure('unauthenticated', 'the name or the password is wrong')
  if (opened.status === 429) throw new Failure('rateLimited', 'too many wrong passwords: try again later')
  if (opened.status !== 201)
    throw new Failure('unavailable', `what answers is no countersign server (${opened.status})`)
  const cookie = cookieOf(opened.headers['set-cookie'])
  // What a page of the server would send: a session alone is no word of its user.
  const headers = { cookie, 'sec-fetch-site': 'same-origin' }
  try {
    const name = `countersign on ${hostname()}`.slice(0, 100)
    const expiresAt = new Date(Date.now() + days * 86_400_000).toISOString()
    const body = { name, expiresAt }
    return await callRest<MadeToken>(server, { method: 'POST', path: '/v1/countersign/tokens', body, headers })
  } finally {
    await callRest(server, { method: 'DELETE', path: `${sessions}/current`, headers })
  }
}

function cookieOf(set: string | string[] | undefined): string {
  const [pair] = (Array.isArray(set) ? set[0] : set)?.split(';') ?? []
  if (pair === undefined) throw new Failure('unavailable', 'what answers is no countersign server: it opens no session')
  return pair
}

/** Whose token it is. Throws Failure('unauthenticated'). */
export async function whoseToken(server: Server): Promise<string> {
  const answer = await callHttps(server, { method: 'GET', path: '/api/v1/auth/profile' })
  if (answer.status === 401)
    throw new Failure('unauthenticated', 'the server does not know this token: it is unknown, revoked, or has ended')
  if (answer.status !== 200)
    throw new Failure('unavailable', `what answers is no countersign server (${answer.status})`)
  const body = jsonOf(answer)
  return typeof body === 'object' && body !== null && 'username' in body ? String(body.username) : ''
}
