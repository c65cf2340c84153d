import { certificateFacts } from '../../src/pki/certificateFacts.ts'
import { fingerprint, readCertificate } from '../../src/pki/certificateReader.ts'
import type { CertificateDetail } from './certificateSchema.ts'
import { keyUsageView } from './certificateView.ts'
import { caUuid } from './scepProfileOptions.ts'

/** A certificate of an authority, which is nobody's order: its uuid is made of its fingerprint. */
export function caCertificateView(der: Buffer) {
  const facts = certificateFacts(readCertificate(der))
  return {
    uuid: caUuid(der),
    commonName: facts.commonName ?? '',
    serialNumber: facts.serial,
    issuerCommonName: facts.issuerCommonName ?? '',
    issuerDn: facts.issuer,
    subjectDn: facts.subject,
    notBefore: facts.notBefore.toISOString(),
    notAfter: facts.notAfter.toISOString(),
    publicKeyAlgorithm: facts.publicKeyAlgorithm,
    signatureAlgorithm: facts.signatureAlgorithm,
    keySize: facts.keySize,
    hybridCertificate: false,
    state: 'issued',
    validationStatus: 'not_checked',
    fingerprint: fingerprint(der),
    groups: [],
    certificateType: 'X.509',
    complianceStatus: 'na',
    privateKeyAvailability: false,
    trustedCa: true,
    archived: false,
    extendedKeyUsage: facts.extendedKeyUsage,
    keyUsage: keyUsageView(facts.keyUsage),
    subjectType: facts.subjectType,
    metadata: [],
    certificateContent: der.toString('base64'),
    subjectAlternativeNames: facts.alternativeNames as Record<string, string[]>,
    locations: [],
    nonCompliantRules: [],
    customAttributes: [],
    issueAttributes: [],
    revokeAttributes: [],
    relatedCertificates: [],
  } satisfies CertificateDetail
}
