import type { MessageKey } from '../../src/core/key/messageKey.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import type { ScepOptions } from './options.ts'

/**
 * GetCACert (RFC 8894 section 4.2): one certificate as it is; more as a degenerate SignedData, the one to which messages go first, then the authority's with
 * those above it. A lone certificate also where a self-signed authority reads messages itself: clients take a chain for certificates of an RA.
 */
export function caCertificate({ certificate, issuers }: MessageKey, options: ScepOptions): HttpAnswer {
  const above = aboveOf(issuers, options)
  if (options.caCertificates === 'single' || above.length === 0)
    return answer('application/x-x509-ca-cert', certificate)
  return answer('application/x-x509-ca-ra-cert', writeCertsOnly([certificate, ...above]))
}

/** The certificates above, with or without the root, as the profile has it. */
export const aboveOf = (issuers: readonly Buffer[], { includeRoot }: ScepOptions): readonly Buffer[] =>
  includeRoot ? issuers : issuers.filter((der) => !isRoot(der))

function isRoot(der: Buffer): boolean {
  const { issuer, subject } = readBareCertificate(der)
  return issuer.equals(subject)
}

const answer = (type: string, body: Buffer): HttpAnswer => ({
  status: 200,
  headers: { 'Content-Type': type, 'Cache-Control': 'no-store' },
  body,
})
