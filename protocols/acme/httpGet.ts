import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { createResponseReader, type HttpResponse, HttpSyntaxError } from './httpResponse.ts'
import { quote, ValidationFailure } from './outcome.ts'
import { connectFailure, type Reach, reach } from './reach.ts'
import { authorityOf, type Hop, urlOf } from './redirect.ts'
import { encrypt } from './tlsClient.ts'

/** A key authorization has at most 87 characters or so; the rest is for white space after it. */
export const MAX_BODY = 512

/**
 * One GET over a connection of its own, which is closed as soon as the response has been read. An https server is not asked for a
 * certificate that fits: the proof is in the answer. Throws ValidationFailure.
 */
export async function get(
  hop: Hop,
  userAgent: string,
  via: Reach,
): Promise<{ response: HttpResponse; address: string }> {
  const connection = await reach(hop.host, hop.port, via)
  try {
    // RFC 6066 section 3: no address in SNI.
    const servername = isIP(hop.host) ? '' : hop.host
    if (hop.secure) await encrypt(connection, { servername, ALPNProtocols: ['http/1.1'] })
    return { response: await exchange(connection.stream, request(hop, userAgent)), address: connection.address }
  } catch (error) {
    if (error instanceof HttpSyntaxError)
      throw new ValidationFailure(
        'incorrectResponse',
        `the answer of ${quote(urlOf(hop))} cannot be read: ${error.message}`,
      )
    throw connectFailure(error, connection.address, hop.port)
  } finally {
    connection.close()
  }
}

function request({ host, port, secure, path }: Hop, userAgent: string): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: ${authorityOf(host, port, secure)}\r\nUser-Agent: ${userAgent}\r\n` +
    'Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n'
  )
}

function exchange(stream: Duplex, request: string): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const reader = createResponseReader(MAX_BODY)
    let answered = false
    const read = (step: () => HttpResponse | undefined) => {
      try {
        const response = step()
        if (!response) return
        answered = true
        resolve(response)
      } catch (error) {
        reject(error)
      }
    }
    stream.on('data', (chunk: Buffer) => read(() => reader.push(chunk)))
    stream.on('end', () => read(reader.end))
    stream.on('error', reject)
    stream.on('close', () => {
      // After the answer this is our own doing, and an error costs the trace of its stack.
      if (!answered) reject(new ValidationFailure('connection', 'connection closed', true))
    })
    if (stream.destroyed) reject(new ValidationFailure('connection', 'connection closed', true))
    else stream.write(request, 'latin1')
  })
}
