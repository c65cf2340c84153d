/** Of the DER; more is refused unread. */
export const MAX_REQUEST = 16 * 1024

/** What stands behind /ocsp in a request target. */
export interface OcspPath {
  authority: string
  /** What follows the authority's slash, as it came; empty for nothing. */
  encoded: string
}

/**
 * Takes a request target apart, as it came: a URL parser would fold `//` and `/../`, which are part of the base64 where a
 * client did not percent-encode it. undefined when it names no authority.
 */
export function readOcspPath(target: string): OcspPath | undefined {
  if (!target.startsWith('/ocsp/')) return undefined
  const query = target.indexOf('?')
  const end = query === -1 ? target.length : query
  const slash = target.indexOf('/', 6)
  const stop = slash === -1 || slash > end ? end : slash
  const authority = target.slice(6, stop)
  return AUTHORITY.test(authority) ? { authority, encoded: target.slice(stop + 1, end) } : undefined
}

const AUTHORITY = /^[a-z0-9][a-z0-9-]{0,62}$/

/**
 * DER from "url-encoding of base-64 encoding" (RFC 6960 appendix A.1). Takes what clients send: percent-encoded as it should
 * be or not at all, with or without padding, with the alphabet for URLs. undefined when it is not base64.
 */
export function decodeOcspPath(encoded: string): Buffer | undefined {
  let text: string
  try {
    text = decodeURIComponent(encoded)
  } catch {
    return undefined
  }
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined
  const der = Buffer.from(text, 'base64')
  return der.length > 0 && der.length <= MAX_REQUEST ? der : undefined
}
