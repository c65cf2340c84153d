import { timingSafeEqual } from 'node:crypto'
import { Failure } from '../../src/core/failure.ts'
import { channelBindings } from '../../src/http/channelBinding.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Client } from './client.ts'
import type { Exchange } from './exchange.ts'

/**
 * Whether a request was signed for this TLS connection (RFC 7030 section 3.5): its challengePassword is the base64 of tls-unique or, as an extension of ours, of
 * tls-exporter (RFC 9266). Answers whether it was linked: such a connection is closed after it, for its proof is good for once (RFC 9266 section 4.1). Throws
 * Failure('forbidden') for a wrong one, whatever the profile says, and for a missing one where the profile needs it. A registration authority has looked already
 * (section 3.7).
 */
export function isLinked(
  { incoming, options, host }: Exchange,
  csr: Pick<Csr, 'challengePassword'>,
  client: Client,
): boolean {
  const { challengePassword: given } = csr
  if (client.registrationAuthority) return false
  if (given === undefined) {
    if (options.channelBinding === 'optional') return false
    throw new Failure(
      'forbidden',
      'the request must be linked to its TLS connection: sign it with tls-unique or tls-exporter as challengePassword',
    )
  }
  if (host.clientCertificate(incoming)?.by === 'proxy')
    throw new Failure('forbidden', 'a request cannot be linked to a TLS connection that ends at a proxy')
  const { tlsUnique, tlsExporter } = channelBindings(incoming)
  const fits = [tlsUnique, tlsExporter].some((binding) => binding && same(binding.toString('base64'), given))
  if (fits) return true
  throw new Failure(
    'forbidden',
    tlsUnique || tlsExporter
      ? 'the challengePassword does not link the request to this TLS connection'
      : 'this TLS connection has no channel binding (TLS 1.2 without extended master secret): use TLS 1.3, or leave the challengePassword out',
  )
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
