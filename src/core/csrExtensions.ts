import type { Csr } from '../pki/csr.ts'
import {
  decodeBasicConstraints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeTlsFeature,
  type Extension,
  STATUS_REQUEST,
} from '../pki/extensions.ts'
import { OID } from '../pki/oid.ts'
import type { Problem } from './failure.ts'
import type { CertificateProfile, CertificateType } from './profile.ts'
import { extendedUsages } from './usage.ts'

/** Whether the CSR asks for a TLS feature extension with status_request, RFC 7633. */
export function mustStapleAsked(csr: Csr): boolean {
  const feature = csr.extensions.find(({ oid }) => oid === OID.tlsFeature)
  return feature !== undefined && decodeTlsFeature(feature.value).includes(STATUS_REQUEST)
}

/**
 * What a CSR asks for in extensions that this profile will not put into the certificate. Nothing is copied from a CSR:
 * a wish that agrees with what the profile issues is met by the profile's own extension.
 */
export function extensionProblems(profile: CertificateProfile, type: CertificateType, csr: Csr): Problem[] {
  const problems = csr.extensions.flatMap((extension) => {
    const detail = whyNot(type, extension)
    return detail === undefined ? [] : [detail]
  })
  const kept = profile.extraExtensions === 'refuse' ? problems : problems.filter((problem) => problem.grave)
  return kept.map(({ detail }) => ({ at: 'csr', code: 'badCsr', detail }))
}

/** grave: refused even where extra extensions are ignored, because dropping it would surprise. */
function whyNot(type: CertificateType, { oid, value }: Extension): { detail: string; grave: boolean } | undefined {
  switch (oid) {
    case OID.subjectAltName:
    case OID.subjectKeyIdentifier:
      return undefined
    case OID.tlsFeature:
      return decodeTlsFeature(value).some((feature) => feature !== STATUS_REQUEST)
        ? { detail: 'the only TLS feature that is certified is status_request (5)', grave: true }
        : undefined
    case OID.basicConstraints:
      return decodeBasicConstraints(value).ca && type !== 'ca'
        ? { detail: 'the CSR asks for a CA certificate, which this profile does not issue', grave: true }
        : undefined
    case OID.keyUsage:
      return type !== 'ca' && decodeKeyUsage(value).some((usage) => usage === 'keyCertSign' || usage === 'cRLSign')
        ? { detail: 'the CSR asks for the key usages of a CA, which this profile does not issue', grave: true }
        : undefined
    case OID.extKeyUsage: {
      const issued = extendedUsages(type)
      const extra = decodeExtendedKeyUsage(value).filter((purpose) => !issued.includes(purpose))
      return extra.length > 0
        ? {
            detail: `the CSR asks for extended key usages that this profile does not issue: ${extra.join(', ')}`,
            grave: false,
          }
        : undefined
    }
    default:
      return { detail: `the CSR asks for an extension that this profile does not issue: ${oid}`, grave: false }
  }
}
