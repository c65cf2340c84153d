import type { Csr } from '../../pki/csr.ts'
import {
  decodeBasicConstraints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeTlsFeature,
  type Extension,
  type KeyUsage,
  STATUS_REQUEST,
} from '../../pki/extensions.ts'
import { OID } from '../../pki/oid.ts'
import type { KeyAlgorithm } from '../../pki/publicKey.ts'
import type { Problem } from '../failure.ts'
import type { AskedCsr } from './policy.ts'
import type { CertificateProfile, CertificateType } from './profile.ts'
import { extendedUsages, usages } from './usage.ts'

/** Whether the CSR asks for a TLS feature extension with status_request, RFC 7633. */
export function mustStapleAsked(csr: Pick<Csr, 'extensions'>): boolean {
  const feature = csr.extensions.find(({ oid }) => oid === OID.tlsFeature)
  return feature !== undefined && decodeTlsFeature(feature.value).includes(STATUS_REQUEST)
}

/** What a CSR asks for and does not get: refused, or left out and noted. */
export interface ExtensionProblems {
  refused: Problem[]
  left: Problem[]
}

/**
 * What a CSR asks for in extensions that this profile will not put into the certificate. Nothing is copied from a CSR:
 * a wish that agrees with what the profile issues is met by the profile's own extension. What is grave is refused by
 * every profile, because dropping it would surprise; key usages follow from the key and are only noted.
 */
export function extensionProblems(
  profile: CertificateProfile,
  type: CertificateType,
  csr: Pick<AskedCsr, 'extensions' | 'publicKey'>,
): ExtensionProblems {
  const problems: ExtensionProblems = { refused: [], left: [] }
  for (const extension of csr.extensions) {
    const wish = unmet(type, csr.publicKey.algorithm, extension)
    if (!wish) continue
    const refused = wish.weight === 'grave' || (wish.weight === 'extra' && profile.extraExtensions === 'refuse')
    problems[refused ? 'refused' : 'left'].push({ at: 'csr', code: 'badCsr', detail: wish.detail })
  }
  return problems
}

interface Unmet {
  detail: string
  weight: 'grave' | 'extra' | 'slight'
}

function unmet(type: CertificateType, algorithm: KeyAlgorithm, { oid, value }: Extension): Unmet | undefined {
  switch (oid) {
    case OID.subjectAltName:
    case OID.subjectKeyIdentifier:
      return undefined
    case OID.tlsFeature:
      return decodeTlsFeature(value).some((feature) => feature !== STATUS_REQUEST)
        ? { detail: 'the only TLS feature that is certified is status_request (5)', weight: 'grave' }
        : undefined
    case OID.basicConstraints:
      return decodeBasicConstraints(value).ca && type !== 'ca'
        ? { detail: 'the CSR asks for a CA certificate, which this profile does not issue', weight: 'grave' }
        : undefined
    case OID.keyUsage:
      return unmetUsage(type, algorithm, decodeKeyUsage(value))
    case OID.extKeyUsage: {
      const issued = extendedUsages(type)
      const extra = decodeExtendedKeyUsage(value).filter((purpose) => !issued.includes(purpose))
      return extra.length > 0
        ? {
            detail: `the CSR asks for extended key usages that this profile does not issue: ${extra.join(', ')}`,
            weight: 'extra',
          }
        : undefined
    }
    default:
      return { detail: `the CSR asks for an extension that this profile does not issue: ${oid}`, weight: 'extra' }
  }
}

/** Many clients ask for keyEncipherment whatever their key is: what a key can do is what it is certified for. */
function unmetUsage(type: CertificateType, algorithm: KeyAlgorithm, asked: readonly KeyUsage[]): Unmet | undefined {
  if (type !== 'ca' && asked.some((usage) => usage === 'keyCertSign' || usage === 'cRLSign'))
    return { detail: 'the CSR asks for the key usages of a CA, which this profile does not issue', weight: 'grave' }
  const issued = usages(type, algorithm)
  const extra = asked.filter((usage) => !issued.includes(usage))
  if (extra.length === 0) return undefined
  return { detail: `the CSR asks for key usages that such a key does not get: ${extra.join(', ')}`, weight: 'slight' }
}
