import type { Socket } from 'node:net'
import { type ConnectionOptions, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { Deadline } from './deadline.ts'
import { ValidationFailure } from './outcome.ts'

let context: SecureContext | undefined

/**
 * Shakes hands over a connected socket, TLS 1.2 at least (RFC 8737 section 4), without judging the certificate.
 * Throws ValidationFailure('tls'), or the reason of the deadline.
 */
export function encrypt(
  socket: Socket,
  options: Required<Pick<ConnectionOptions, 'servername' | 'ALPNProtocols'>>,
  deadline: Deadline,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    context ??= createSecureContext({ minVersion: 'TLSv1.2' })
    const tls = connect({ socket, secureContext: context, rejectUnauthorized: false, ...options })
    const release = deadline.onEnd((why) => {
      reject(why)
      tls.destroy(why)
    })
    // Stays for the life of the socket: an error after the handshake is for whoever reads, and no crash when nobody does.
    tls.on('error', (error) => reject(tlsFailure(error)))
    tls.once('close', () => {
      release()
      reject(new ValidationFailure('tls', 'the connection was closed during the TLS handshake', true))
    })
    tls.once('secureConnect', () => resolve(tls))
  })
}

function tlsFailure(error: NodeJS.ErrnoException): Error {
  if (error instanceof ValidationFailure) return error
  const { code = '' } = error
  if (code === 'ECONNRESET')
    return new ValidationFailure('tls', 'the connection was closed during the TLS handshake', true)
  // OpenSSL's own words, for example ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL.
  const words = code
    .replace(/^ERR_SSL_/, '')
    .replace(/_/g, ' ')
    .toLowerCase()
  return new ValidationFailure('tls', `the TLS handshake failed: ${words || 'no reason given'}`)
}
