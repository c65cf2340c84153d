import { type ConnectionOptions, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { ValidationFailure } from './outcome.ts'
import type { Connection } from './reach.ts'

let context: SecureContext | undefined

/**
 * Shakes hands over a connection, TLS 1.2 at least (RFC 8737 section 4), without judging the certificate. From then on the TLS socket is
 * the stream of the connection. Throws ValidationFailure, which is of type 'tls' unless the connection was ended from this side.
 */
export function encrypt(
  connection: Connection,
  options: Required<Pick<ConnectionOptions, 'servername' | 'ALPNProtocols'>>,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    if (connection.stream.destroyed) return reject(closed())
    context ??= createSecureContext({ minVersion: 'TLSv1.2' })
    const tls = connect({ socket: connection.stream, secureContext: context, rejectUnauthorized: false, ...options })
    // Node 20 frees the state of OpenSSL too early, and crashes, when the socket below is destroyed in its place.
    connection.stream = tls
    // Stays for the life of the socket: an error after the handshake is for whoever reads, and no crash when nobody does.
    tls.on('error', (error) => reject(tlsFailure(error)))
    const early = () => reject(closed())
    tls.once('close', early)
    // A turn later: at this moment OpenSSL still reads, and what follows may destroy the socket.
    tls.once('secureConnect', () => {
      setImmediate(() => {
        tls.off('close', early)
        resolve(tls)
      })
    })
  })
}

function closed(): ValidationFailure {
  return new ValidationFailure('tls', 'the connection was closed during the TLS handshake', true)
}

function tlsFailure(error: NodeJS.ErrnoException): Error {
  if (error instanceof ValidationFailure) return error
  const { code = '' } = error
  if (code === 'ECONNRESET' || code === 'EPIPE') return closed()
  // OpenSSL's own words, for example ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL.
  const words = code
    .replace(/^ERR_SSL_/, '')
    .replace(/_/g, ' ')
    .toLowerCase()
  return new ValidationFailure('tls', `the TLS handshake failed: ${words || 'no reason given'}`)
}
