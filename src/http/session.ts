import type { IncomingMessage } from 'node:http'
import type { OpenedSession } from '../core/session.ts'
import type { Host } from '../protocol.ts'
import { secretCookie } from './cookie.ts'

/** The name that clients of the REST contract know; the console has the same session. */
export const SESSION_COOKIE = 'session-id'

/** Set-Cookie for a session that was opened just now. */
export function sessionCookie({ clock }: Host, made: Pick<OpenedSession, 'secret' | 'endsAt'>): string {
  const seconds = (made.endsAt.getTime() - clock().getTime()) / 1000
  return secretCookie(SESSION_COOKIE, made.secret, { path: '/', seconds })
}

/** Set-Cookie that has the browser forget its session. */
export function noSessionCookie(): string {
  return secretCookie(SESSION_COOKIE, '', { path: '/', seconds: 0 })
}

/** Where somebody logs in from. */
export function loginPlace(host: Host, incoming: IncomingMessage): { source: string; userAgent?: string } {
  const source = host.sourceAddress(incoming)
  const { 'user-agent': userAgent } = incoming.headers
  // Nobody can tell whose address it is: not this machine's own, by which only the command line comes.
  return { source: source ?? 'unknown', ...(userAgent === undefined ? {} : { userAgent }) }
}
