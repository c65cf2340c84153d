import { children, context, expect, readTime, readTlv, TAG } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'

/** How long a cache may answer for us, in seconds: as long as a revocation may stay unseen there. */
const CACHE_SECONDS = 300

/** Headers that let caches keep a signed answer to a GET: for a short time, and never past its nextUpdate. */
export function cacheHeaders(response: Buffer, now: Date): Record<string, string> {
  const window = readWindow(response)
  const left = window ? Math.floor((window.nextUpdate.getTime() - now.getTime()) / 1000) : 0
  if (!window || left <= 0) return { 'Cache-Control': 'no-store' }
  const seconds = Math.min(CACHE_SECONDS, left)
  return {
    'Cache-Control': `public, max-age=${seconds}, no-transform, must-revalidate`,
    Expires: new Date(now.getTime() + seconds * 1000).toUTCString(),
    'Last-Modified': window.thisUpdate.toUTCString(),
  }
}

/** The times of the first answer in a DER OCSPResponse (RFC 6960 section 4.2.1). undefined for an answer without a signature. */
function readWindow(response: Buffer): { thisUpdate: Date; nextUpdate: Date } | undefined {
  try {
    const [, bytes] = children(expect(readTlv(response), TAG.seq, 'OCSPResponse'))
    if (!bytes) return undefined
    const [, basic] = children(
      expect(readTlv(expect(bytes, context(0), 'responseBytes').value), TAG.seq, 'ResponseBytes'),
    )
    const [data] = children(readTlv(expect(basic, TAG.octets, 'response').value))
    const [, , responses] = children(expect(data, TAG.seq, 'tbsResponseData'))
    const [first] = children(expect(responses, TAG.seq, 'responses'))
    const [, , thisUpdate, nextUpdate] = children(expect(first, TAG.seq, 'SingleResponse'))
    return {
      thisUpdate: readTime(expect(thisUpdate, TAG.generalizedTime, 'thisUpdate')),
      nextUpdate: readTime(readTlv(expect(nextUpdate, context(0), 'nextUpdate').value)),
    }
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}
