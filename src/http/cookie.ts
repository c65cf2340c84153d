import type { IncomingMessage } from 'node:http'
import { Failure } from '../core/failure.ts'
import type { Host } from '../protocol.ts'

/** The first cookie of that name (RFC 6265 section 5.4), if its value is of the octets that ours have. */
export function readCookie({ headers }: IncomingMessage, name: string): string | undefined {
  for (const pair of (headers.cookie ?? '').split(';')) {
    const [, key, value] = /^\s*([^\s=]+)=([A-Za-z0-9._-]*)\s*$/.exec(pair) ?? []
    if (key === name) return value
  }
  return undefined
}

/** Set-Cookie for a secret: only over TLS, out of reach of scripts, and not sent along with what other sites post. */
export function secretCookie(
  name: string,
  value: string,
  { path, seconds }: { path: string; seconds: number },
): string {
  return `${name}=${value}; Path=${path}; Max-Age=${Math.max(0, Math.floor(seconds))}; Secure; HttpOnly; SameSite=Lax`
}

const safe = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Whether a request that changes something, and says who sends it by what a browser adds by itself, comes from a page of this
 * server: by Sec-Fetch-Site, else by Origin. `orProgram`: what has neither is no browser's, and passes.
 * Throws Failure('forbidden').
 */
export function requireOwnPage(
  { baseUrl, mtlsBaseUrl }: Pick<Host, 'baseUrl' | 'mtlsBaseUrl'>,
  { method = 'GET', headers }: IncomingMessage,
  { orProgram }: { orProgram: boolean },
): void {
  if (safe.has(method)) return
  const { 'sec-fetch-site': site, origin } = headers
  if (site === undefined && origin === undefined && orProgram) return
  const ownOrigin =
    origin === undefined ? undefined : [baseUrl, mtlsBaseUrl].some((url) => new URL(url).origin === origin)
  if (site === undefined ? ownOrigin === true : site === 'same-origin' && ownOrigin !== false) return
  throw new Failure('forbidden', 'a page of another site asks for this; programs use a token: Authorization: Bearer …')
}
