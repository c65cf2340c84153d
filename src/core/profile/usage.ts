import type { KeyUsage } from '../../pki/extensions.ts'
import { OID } from '../../pki/oid.ts'
import type { KeyAlgorithm } from '../../pki/publicKey.ts'
import type { CertificateType } from './profile.ts'

const extended = {
  server: [OID.serverAuth],
  client: [OID.clientAuth],
  dual_purpose: [OID.serverAuth, OID.clientAuth],
  registration_authority: [OID.clientAuth, OID.cmcRA],
  ca: [],
  ocsp: [OID.OCSPSigning],
  message: [],
} as const satisfies Record<CertificateType, readonly string[]>

/** Object identifiers of the extended key usages that a certificate of this type carries. */
export function extendedUsages(type: CertificateType): string[] {
  return [...extended[type]]
}

/** Key usages by type and key: only RSA keys encipher keys (RFC 5480 section 3, RFC 8410 section 5). */
export function usages(type: CertificateType, algorithm: KeyAlgorithm): KeyUsage[] {
  switch (type) {
    case 'ca':
      return ['digitalSignature', 'keyCertSign', 'cRLSign']
    case 'server':
    case 'dual_purpose':
    case 'message':
      return algorithm === 'RSA' ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature']
    case 'client':
    case 'registration_authority':
    case 'ocsp':
      return ['digitalSignature']
  }
}
