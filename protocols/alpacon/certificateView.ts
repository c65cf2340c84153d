import type { Certificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { AuthoritySummary } from './authorityView.ts'
import { DAY } from './days.ts'
import { commonNameOf } from './names.ts'

/** PEM of the certificate, then of the authorities above it, as servers take it: without the root. */
export async function crtText(door: Door, certificate: Certificate): Promise<string> {
  const chain = await door.chain(certificate)
  return [certificate.der, ...chain.filter((der) => !isRoot(der))].map((der) => pemEncode('CERTIFICATE', der)).join('')
}

function isRoot(der: Buffer): boolean {
  const { issuerDer, subjectDer } = readCertificate(der)
  return issuerDer.equals(subjectDer)
}

export function certificateView(certificate: Certificate, { name, id, owner }: AuthoritySummary, now: Date) {
  const { uuid, der, serial, status, notBefore, notAfter, revokedAt, source } = certificate
  const { subject, identifiers } = readCertificate(der)
  const expired = status === 'issued' && notAfter <= now
  return {
    id: uuid,
    authority: { id, name, owner },
    csr: uuid,
    common_name: commonNameOf(subject) ?? identifiers[0]?.value ?? '',
    serial_number: serial,
    valid_days: Math.round((notAfter.getTime() - notBefore.getTime()) / DAY),
    status: expired ? 'expired' : status,
    is_revoked: status === 'revoked',
    revoked_at: revokedAt?.toISOString() ?? null,
    can_revoke: status !== 'revoked' && !expired && source === 'managed',
    signed_at: notBefore.toISOString(),
    expires_at: notAfter.toISOString(),
    signed_by: name,
    renewed_by: '',
  }
}
