import { createHash } from 'node:crypto'
import { parseIp } from '../../src/pki/identifier.ts'
import { ValidationFailure } from './outcome.ts'
import { connectFailure, type Reach, reach } from './reach.ts'
import { checkAlpnCertificate } from './tlsAlpnCertificate.ts'
import { encrypt } from './tlsClient.ts'

const PROTOCOL = 'acme-tls/1'

export interface TlsAlpn01 {
  identifier: { type: 'dns' | 'ip'; value: string }
  keyAuthorization: string
  port: number
}

/** RFC 8737 section 3, RFC 8738 section 6. Returns the address that proved it. Throws ValidationFailure. */
export async function validateTlsAlpn01(
  { identifier, keyAuthorization, port }: TlsAlpn01,
  via: Reach,
): Promise<string> {
  const servername = serverNameOf(identifier)
  const connection = await reach(identifier.value, port, via)
  const { address } = connection
  try {
    const tls = await encrypt(connection, { servername, ALPNProtocols: [PROTOCOL] })
    if (tls.alpnProtocol !== PROTOCOL)
      throw new ValidationFailure('tls', `the server did not negotiate the protocol ${PROTOCOL} (ALPN)`)
    const certificate = tls.getPeerX509Certificate()
    if (!certificate) throw new ValidationFailure('tls', 'the server showed no certificate')
    checkAlpnCertificate(certificate, identifier, createHash('sha256').update(keyAuthorization).digest())
    return address
  } catch (error) {
    if (!(error instanceof ValidationFailure) || error.type === 'connection') throw connectFailure(error, address, port)
    const detail = `${identifier.value} (${address}, port ${port}): ${error.message}`
    throw new ValidationFailure(error.type, detail, error.retry)
  } finally {
    // Not one octet of data either way (RFC 8737 section 4).
    connection.close()
  }
}

/** The name for SNI; for an address the name of its reverse mapping (RFC 8738 section 6), since SNI holds no addresses. */
export function serverNameOf({ type, value }: TlsAlpn01['identifier']): string {
  const ip = type === 'ip' ? parseIp(value) : undefined
  if (!ip) return value
  if (ip.length === 4) return `${[...ip].reverse().join('.')}.in-addr.arpa`
  return `${[...ip.toString('hex')].reverse().join('.')}.ip6.arpa`
}
