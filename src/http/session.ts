import type { IncomingMessage } from 'node:http'
import type { OpenedSession } from '../core/login/session.ts'
import type { Host } from '../protocol.ts'
import { readCookie, secretCookie } from './cookie.ts'

/** By its prefix browsers take it from this very host alone, over TLS: no neighbour of the domain sets one. The console has the same session. */
export const SESSION_COOKIE = '__Host-session-id'
/** The name in the REST contract. */
const CONTRACT_COOKIE = 'session-id'

/** What a request shows as its session. By the contract's name only a program does: a browser could have it from elsewhere. */
export function readSession(incoming: IncomingMessage): string | undefined {
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode } = incoming.headers
  const own = readCookie(incoming, SESSION_COOKIE)
  if (own !== undefined || site !== undefined || mode !== undefined) return own
  return readCookie(incoming, CONTRACT_COOKIE)
}

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
