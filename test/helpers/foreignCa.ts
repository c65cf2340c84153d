import type { KeyObject } from 'node:crypto'
import { generateKey, type KeySpec } from '../../src/core/key.ts'
import { type CertificateDraft, issueCertificate } from '../../src/pki/certificate.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { type CrlDraft, writeCrl } from '../../src/pki/crl.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { keyIdentifier } from '../../src/pki/publicKey.ts'
import { type Signer, signerFor } from '../../src/pki/signer.ts'

const year = 31_536_000_000
const day = 86_400_000

/** A CA of somebody else, with its key. */
export interface ForeignCa {
  fields: CertificateFields
  signer: Signer
  /** PEM of its certificate, and with the key behind it. */
  certificate: string
  withKey: string
  /** DER of a CRL by it. */
  crl(draft?: Partial<CrlDraft>): Promise<Buffer>
  /** DER of a certificate for a key, and that key. */
  issue(draft?: Partial<CertificateDraft>, spec?: KeySpec): Promise<{ der: Buffer; key: KeyObject; pem: string }>
  /** An OCSP responder's certificate and key as PEM. */
  responder(draft?: Partial<CertificateDraft>): ReturnType<ForeignCa['issue']>
}

let serials = 0x1000

export async function foreignCa(
  now: Date,
  { name = 'Foreign CA', more = {} as Partial<CertificateDraft> } = {},
): Promise<ForeignCa> {
  const key = generateKey('P-256')
  const signer = signerFor(key)
  const subject = nameOf({ CN: name })
  const common = { identifiers: [], crlUrls: [], ocspUrls: [], issuerUrls: [], extendedKeyUsage: [] }
  const der = await issueCertificate(
    {
      ...common,
      serial: '0123456789abcdef0123456789abcdef',
      issuer: subject,
      subject,
      notBefore: new Date(now.getTime() - 3_600_000),
      notAfter: new Date(now.getTime() + 5 * year),
      publicKey: signer.publicKey,
      type: 'ca',
      keyUsage: ['keyCertSign', 'cRLSign'],
      ...more,
    },
    signer,
  )
  const fields = readCertificate(der)
  const certificate = pemEncode('CERTIFICATE', der)
  const ski = fields.ski ?? keyIdentifier(signer.publicKey)
  const issue: ForeignCa['issue'] = async (draft = {}, spec = 'P-256') => {
    const own = generateKey(spec)
    serials += 1
    const made = await issueCertificate(
      {
        ...common,
        serial: serials.toString(16),
        issuer: fields.subjectDer,
        subject: nameOf({ CN: 'somebody' }),
        notBefore: new Date(now.getTime() - 3_600_000),
        notAfter: new Date(now.getTime() + 90 * day),
        publicKey: signerFor(own).publicKey,
        type: 'server',
        keyUsage: ['digitalSignature'],
        authorityKeyIdentifier: ski,
        ...draft,
      },
      signer,
    )
    return { der: made, key: own, pem: pemEncode('CERTIFICATE', made) + own.export({ format: 'pem', type: 'pkcs8' }) }
  }
  return {
    fields,
    signer,
    certificate,
    withKey: certificate + key.export({ format: 'pem', type: 'pkcs8' }),
    crl: (draft = {}) =>
      writeCrl({
        issuer: fields.subjectDer,
        aki: ski,
        number: 1,
        thisUpdate: now,
        nextUpdate: new Date(now.getTime() + 7 * day),
        entries: [],
        signer,
        ...draft,
      }),
    issue,
    responder: (draft = {}) =>
      issue({
        type: 'ocsp',
        subject: nameOf({ CN: 'responder' }),
        extendedKeyUsage: [OID.OCSPSigning],
        ocspNoCheck: true,
        ...draft,
      }),
  }
}
