import { kindOf } from '../../src/http/addressKinds.ts'
import { parseIp } from '../../src/pki/identifier.ts'
import { get, MAX_BODY } from './httpGet.ts'
import type { HttpResponse } from './httpResponse.ts'
import { quote, ValidationFailure } from './outcome.ts'
import type { Reach } from './reach.ts'
import { followRedirect, type Hop, urlOf } from './redirect.ts'

export interface Http01 {
  host: string
  token: string
  keyAuthorization: string
  port: number
  /** Accepted in redirects besides 80 and 443. */
  extraPorts: number[]
  userAgent: string
}

const MAX_REDIRECTS = 10
const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Of a proxy or a server that is just starting. */
const PASSING = new Set([404, 408, 425, 429, 500, 502, 503, 504])

/** RFC 8555 section 8.3, RFC 8738 section 5. Returns the address that proved it. Throws ValidationFailure. */
export async function validateHttp01(challenge: Http01, via: Reach): Promise<string> {
  let hop: Hop = {
    secure: false,
    host: challenge.host,
    port: challenge.port,
    path: `/.well-known/acme-challenge/${challenge.token}`,
  }
  const visited = new Set<string>()
  for (let redirects = 0; ; redirects++) {
    const { response, address } = await get(hop, challenge.userAgent, via)
    if (!REDIRECTS.has(response.status)) {
      const revealed = redirects === 0 || isPublic(address)
      check(response, challenge.keyAuthorization, `${urlOf(hop)} (${address})`, revealed)
      return address
    }
    if (redirects >= MAX_REDIRECTS)
      throw new ValidationFailure(
        'connection',
        `more than ${MAX_REDIRECTS} redirects, the last one at ${quote(urlOf(hop))}`,
      )
    visited.add(urlOf(hop))
    hop = followRedirect(hop, response.location, challenge.extraPorts)
    if (visited.has(urlOf(hop)))
      throw new ValidationFailure('connection', `the redirects go round in a circle at ${quote(urlOf(hop))}`)
  }
}

/** What stands behind a redirect inside our own networks is not shown to whoever placed the redirect. */
function isPublic(address: string): boolean {
  const ip = parseIp(address)
  return ip !== undefined && kindOf(ip) === 'public'
}

function check(response: HttpResponse, expected: string, where: string, revealed: boolean): void {
  if (response.status !== 200) {
    const detail = `${where} answered with status ${response.status}, not 200`
    throw new ValidationFailure('incorrectResponse', detail, PASSING.has(response.status))
  }
  const body = response.body.toString('latin1').trimEnd()
  if (body === expected && !response.truncated) return
  const size = response.truncated ? `more than ${MAX_BODY}` : `${response.body.length}`
  const seen = revealed
    ? `${quote(body)}${response.truncated ? ` (${size} octets)` : ''}`
    : `something else of ${size} octets`
  throw new ValidationFailure(
    'incorrectResponse',
    `${where} returned ${seen}, expected the key authorization "${expected}"`,
  )
}
