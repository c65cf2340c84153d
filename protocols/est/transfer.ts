import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { readBody } from '../../src/http/body.ts'

/** Octets of a request's body. */
const MAX_BODY = 64 * 1024
/** Of these kinds there may be nothing between, before or after the base64. */
const ARMOUR = /-----(?:BEGIN|END) [A-Z0-9 ]{1,40}-----/g

/**
 * The DER that a request carries in base64 (RFC 8951 section 3): white space and PEM armour are overlooked, Content-Transfer-Encoding is not looked at.
 * Throws Failure: unsupportedMediaType for another media type (its parameters do not count), tooLarge, malformed.
 */
export async function readRequestBody(incoming: IncomingMessage, mediaType: string): Promise<Buffer> {
  const given = (incoming.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (given !== mediaType) throw new Failure('unsupportedMediaType', `send it as Content-Type: ${mediaType}`)
  const body = (await readBody(incoming, MAX_BODY)).toString('latin1')
  const base64 = body.replace(ARMOUR, '').replace(/[ \t\r\n]+/g, '')
  const der = Buffer.from(base64, 'base64')
  if (der.length > 0 && unpadded(der.toString('base64')) === unpadded(base64)) return der
  throw new Failure('malformed', 'the body must be the base64 of one DER value (RFC 8951 section 3)')
}

/**
 * Reads away what is left of a request that is answered without it, as far as a body may be long. A connection that closes over octets nobody has read is reset,
 * and the client may never see the answer.
 */
export function readAway(incoming: IncomingMessage): Promise<void> {
  const tooLong = Number(incoming.headers['content-length'] ?? 0) > MAX_BODY || incoming.readableFlowing === false
  if (tooLong || incoming.complete || incoming.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    let length = 0
    const count = (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_BODY) resolve()
    }
    incoming.on('data', count).once('end', resolve).once('close', resolve)
  })
}

const unpadded = (base64: string): string => base64.replace(/=+$/, '')

/**
 * An answer in base64. strongSwan's pki reads one line and names itself by no User-Agent; libest reads lines of 64 characters only; others read both.
 */
export function base64Answer(
  incoming: IncomingMessage,
  contentType: string,
  der: Buffer,
  headers: Record<string, string> = {},
): HttpAnswer {
  return {
    status: 200,
    headers: {
      'Content-Type': contentType,
      'Content-Transfer-Encoding': 'base64',
      'Cache-Control': 'no-store',
      ...headers,
    },
    body: base64Text(incoming, der),
  }
}

/** The base64 of a value, in the lines that this client can read. */
export function base64Text(incoming: IncomingMessage, der: Buffer): string {
  const text = der.toString('base64')
  return isNameless(incoming) ? `${text}\n` : `${text.replace(/.{64}(?=.)/g, '$&\n')}\n`
}

/** strongSwan and Bouncy Castle: what is said for people reaches nobody there, and Bouncy Castle fails on the body of a 401 or 202 that it does not read. */
export function isNameless({ headers }: IncomingMessage): boolean {
  return headers['user-agent'] === undefined
}

export const CERTS_ONLY = 'application/pkcs7-mime; smime-type=certs-only'
