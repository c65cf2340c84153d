import { generateKey } from '../../src/core/key.ts'
import { type CertificateDraft, issueCertificate } from '../../src/pki/certificate.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { nameOf } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { keyIdentifier } from '../../src/pki/publicKey.ts'
import { type Signer, signerFor } from '../../src/pki/signer.ts'

const year = 31_536_000_000

/** A root of somebody else, who signs what others have: cross-signed certificates. */
export interface ForeignRoot {
  name: string
  pem: string
  /** PEM of a certificate for this subject and key. */
  cross(certificate: CertificateFields, change?: Partial<CertificateDraft>): Promise<string>
}

export async function foreignRoot(name: string, now: Date): Promise<ForeignRoot> {
  const signer = signerFor(generateKey('P-256'))
  const subject = nameOf({ CN: name })
  const sign = async (change: Partial<CertificateDraft>) =>
    pemEncode(
      'CERTIFICATE',
      await issueCertificate({ ...draftOf(signer, now), issuer: subject, subject, ...change }, signer),
    )
  return {
    name,
    pem: await sign({}),
    cross: ({ subject, publicKey }, change = {}) =>
      sign({ subject, publicKey, authorityKeyIdentifier: keyIdentifier(signer.publicKey), ...change }),
  }
}

let serials = 0

function draftOf({ publicKey }: Signer, now: Date): Omit<CertificateDraft, 'issuer' | 'subject'> {
  serials += 1
  return {
    serial: `7f${serials.toString(16).padStart(30, '0')}`,
    notBefore: new Date(now.getTime() - 3_600_000),
    notAfter: new Date(now.getTime() + year),
    publicKey,
    type: 'ca',
    identifiers: [],
    keyUsage: ['keyCertSign', 'cRLSign'],
    extendedKeyUsage: [],
    crlUrls: [],
    ocspUrls: [],
    issuerUrls: [],
  }
}

export function certificateOf(der: Buffer | undefined): CertificateFields {
  if (!der) throw new Error('there is no certificate')
  return readCertificate(der)
}
