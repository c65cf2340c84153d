import { request } from 'node:https'
import { Failure } from '../../core/failure.ts'

/** Where a server is, and who asks it. */
export interface Server {
  /** https, without a trailing slash. */
  url: string
  ca?: string | undefined
  token?: string | undefined
}

export interface HttpsCall {
  method: string
  /** Below the server's URL. */
  path: string
  body?: unknown
  headers?: Record<string, string>
}

export interface HttpsAnswer {
  status: number
  headers: NodeJS.Dict<string | string[]>
  text: string
}

/** Whatever NODE_TLS_REJECT_UNAUTHORIZED says. */
const always = { rejectUnauthorized: true, agent: false, timeout: 120_000 } as const
const largestAnswer = 256 * 2 ** 20

/** One call over TLS, verified. Redirects are not followed: a token goes where it was meant to. Throws Failure('unavailable'). */
export function callHttps(
  { url, ca, token }: Server,
  { method, path, body, headers }: HttpsCall,
): Promise<HttpsAnswer> {
  const octets = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
  const sent = {
    accept: 'application/json',
    ...(octets ? { 'content-type': 'application/json', 'content-length': octets.length } : {}),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...headers,
  }
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { method, headers: sent, ca, ...always })
    asked.on('response', (response) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > largestAnswer) asked.destroy(new Error('its answer does not end'))
        else chunks.push(chunk)
      })
      response.on('error', (cause) => reject(unreachable(url, cause)))
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, text: Buffer.concat(chunks).toString('utf8') })
      })
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${always.timeout / 1000} s`)))
    asked.on('error', (cause) => reject(unreachable(url, cause)))
    asked.end(octets)
  })
}

const untrusted = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

function unreachable(url: string, cause: Error): Failure {
  const code = 'code' in cause ? String(cause.code) : ''
  const why = code === '' ? cause.message : code
  const detail = untrusted.has(code)
    ? `the TLS certificate of ${url} is not trusted (${why}): give the root of its CA to countersign login as --ca FILE, or in COUNTERSIGN_CA`
    : `${url} does not answer (${why})`
  return new Failure('unavailable', detail, { cause })
}
