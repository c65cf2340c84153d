import type { CertificateFacts } from '../pki/certificateFacts.ts'
import { type CertificateFields, readCertificate } from '../pki/certificateReader.ts'
import { decodeBasicConstraints, decodePolicies, type Extension } from '../pki/extensions.ts'
import { OID } from '../pki/oid.ts'

/** rsa-2048, ec-384, ed25519: the key of a certificate in one word. */
export function algorithmWord({ publicKeyAlgorithm, curve, keySize }: CertificateFacts): string {
  const name = publicKeyAlgorithm.toLowerCase()
  if (curve !== undefined) return `ec-${keySize || curve} (${curve})`
  return keySize > 0 && name.startsWith('rsa') ? `${name}-${keySize}` : name
}

/** SHA-256 and so on, by the name of a signature algorithm. */
export function digestWord(signatureAlgorithm: string): string {
  const [, digest] = /sha-?(\d+)/i.exec(signatureAlgorithm) ?? []
  if (digest) return `SHA-${digest} (${signatureAlgorithm})`
  return /^Ed/.test(signatureAlgorithm) ? `part of ${signatureAlgorithm}` : signatureAlgorithm
}

export const subjectTypeWord = {
  rootCa: 'Root CA',
  intermediateCa: 'Intermediate CA',
  endEntity: 'Certificate',
  selfSignedEndEntity: 'Self-signed certificate',
} as const satisfies Record<CertificateFacts['subjectType'], string>

/** By their names in the standards; what is not among these shows as it is, dotted. */
const purposes: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'TLS server',
  '1.3.6.1.5.5.7.3.2': 'TLS client',
  '1.3.6.1.5.5.7.3.3': 'code signing',
  '1.3.6.1.5.5.7.3.4': 'e-mail protection',
  '1.3.6.1.5.5.7.3.8': 'time stamping',
  '1.3.6.1.5.5.7.3.9': 'OCSP signing',
  '1.3.6.1.5.5.7.3.27': 'CMC CA',
  '1.3.6.1.5.5.7.3.28': 'CMC registration authority',
}

export const purposeWord = (oid: string): string => purposes[oid] ?? oid

const extensionNames: Readonly<Record<string, string>> = {
  '2.5.29.14': 'Subject key identifier',
  '2.5.29.15': 'Key usage',
  '2.5.29.17': 'Subject alternative names',
  '2.5.29.19': 'Basic constraints',
  '2.5.29.30': 'Name constraints',
  '2.5.29.31': 'CRL distribution points',
  '2.5.29.32': 'Certificate policies',
  '2.5.29.35': 'Authority key identifier',
  '2.5.29.37': 'Extended key usage',
  '2.5.29.56': 'No revocation information',
  '1.3.6.1.5.5.7.1.1': 'Authority information access',
  '1.3.6.1.5.5.7.1.3': 'Qualified certificate statements',
  '1.3.6.1.5.5.7.1.24': 'TLS feature (OCSP must-staple)',
  '1.3.6.1.5.5.7.48.1.5': 'No OCSP check',
  '1.3.6.1.4.1.11129.2.4.2': 'Signed certificate timestamps',
}

export interface ExtensionWords {
  name: string
  oid: string
  critical: boolean
  /** One line each; hex where nothing better is known. */
  values: string[]
}

/** What each extension says, in the order of the certificate. */
export function extensionsOf(der: Buffer): ExtensionWords[] {
  const fields = readCertificate(der)
  return fields.extensions.map((extension) => ({
    name: extensionNames[extension.oid] ?? extension.oid,
    oid: extension.oid,
    critical: extension.critical,
    values: valuesOf(fields, extension),
  }))
}

function valuesOf(fields: CertificateFields, extension: Extension): string[] {
  const hex = (octets: Buffer | undefined) => (octets ? [colons(octets.toString('hex'))] : [])
  try {
    switch (extension.oid) {
      case OID.subjectAltName:
        return fields.identifiers.map(({ type, value }) => `${type}: ${value}`)
      case '2.5.29.14':
        return hex(fields.ski)
      case '2.5.29.15':
        return fields.keyUsage ?? []
      case '2.5.29.19': {
        const { ca, pathLength } = decodeBasicConstraints(extension.value)
        return [ca ? `CA${pathLength === undefined ? '' : `, path length ${pathLength}`}` : 'no CA']
      }
      case '2.5.29.31':
        return fields.crlUrls
      case '2.5.29.32':
        return decodePolicies(extension.value)
      case '2.5.29.35':
        return hex(fields.aki)
      case '2.5.29.37':
        return (fields.extendedKeyUsage ?? []).map(purposeWord)
      case '1.3.6.1.5.5.7.1.1':
        return [...fields.ocspUrls.map((url) => `OCSP: ${url}`), ...fields.issuerUrls.map((url) => `issuer: ${url}`)]
      default:
        return hex(extension.value)
    }
  } catch {
    // A stranger's certificate may say anything: then its octets.
    return hex(extension.value)
  }
}

const colons = (hex: string): string => hex.replace(/..(?=.)/g, '$&:')
