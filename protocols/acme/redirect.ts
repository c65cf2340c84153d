import { quote, ValidationFailure } from './outcome.ts'

/** One request of a validation over HTTP. */
export interface Hop {
  secure: boolean
  /** Name or text of an address, without brackets. */
  host: string
  port: number
  /** Path and query. */
  path: string
}

/** Reported and compared: the URL as people write it. */
export function urlOf({ secure, host, port, path }: Hop): string {
  return `${secure ? 'https' : 'http'}://${authorityOf(host, port, secure)}${path}`
}

/** Value of the Host header field: brackets around IPv6, the port only where it is not the scheme's own (RFC 9110 section 7.2). */
export function authorityOf(host: string, port: number, secure: boolean): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === (secure ? 443 : 80) ? name : `${name}:${port}`
}

const MAX_LOCATION = 2048

/**
 * Where a redirect leads (RFC 8555 section 8.3 wants redirects followed, section 10.2 warns of them): http or https, the standard ports
 * and those that stand in their place here, no user name. The WHATWG parser has brought every spelling of an address (decimal, octal,
 * hexadecimal) to one form by then; whether the address may be reached is checked when connecting. Throws ValidationFailure('connection').
 */
export function followRedirect(from: Hop, location: string | undefined, extraPorts: number[]): Hop {
  const refuse = (why: string) =>
    new ValidationFailure(
      'connection',
      `${urlOf(from)} redirects to ${quote(location ?? '')}, which is not followed: ${why}`,
    )
  if (!location) throw new ValidationFailure('incorrectResponse', `${urlOf(from)} redirects without saying where to`)
  if (location.length > MAX_LOCATION) throw refuse('the address is too long')
  // Header bytes were read as Latin-1; what is outside ASCII is meant as UTF-8.
  const text = Buffer.from(location, 'latin1').toString('utf8')
  if (!URL.canParse(text, urlOf(from))) throw refuse('it is no URL')
  const url = new URL(text, urlOf(from))
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse('only http and https are')
  if (url.username || url.password) throw refuse('it carries a user name')
  const secure = url.protocol === 'https:'
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  if (![80, 443, ...extraPorts].includes(port)) throw refuse(`port ${port} is not used for validation`)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (!/^[a-z0-9._:-]+$/.test(host)) throw refuse('its host is no name')
  return { secure, host, port, path: url.pathname + url.search }
}
