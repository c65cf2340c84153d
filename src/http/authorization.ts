import type { IncomingMessage } from 'node:http'

const LARGEST_BASIC = 2048
/** Access tokens with many claims are long. */
const LARGEST_BEARER = 16_384

/**
 * What the Authorization header shows: a name and a password (RFC 7617), or a token alone (RFC 6750). Undefined where there is none, of another kind, or
 * longer than 2048 characters, a token 16384. A domain before the name, as some programs send it, is left out.
 */
export function readAuthorization({ headers }: IncomingMessage): { name?: string; secret: string } | undefined {
  const { authorization } = headers
  if (authorization === undefined || authorization.length > LARGEST_BEARER) return undefined
  const [, scheme, credentials] = /^(Basic|Bearer) +([A-Za-z0-9+/=_.~-]+) *$/i.exec(authorization) ?? []
  if (scheme === undefined || credentials === undefined) return undefined
  if (scheme.toLowerCase() === 'bearer') return { secret: credentials }
  if (authorization.length > LARGEST_BASIC) return undefined
  const text = Buffer.from(credentials, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  // RFC 7617 section 2: neither has control characters; and no database takes a NUL in a name.
  if (colon < 1 || /\p{Cc}/u.test(text)) return undefined
  return { name: text.slice(0, colon).replace(/^.*\\/s, ''), secret: text.slice(colon + 1) }
}
