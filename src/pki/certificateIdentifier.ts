import { readTbs, type TbsFields } from './certificateReader.ts'
import { children, context, expect, readTlv, seq, TAG, type Tlv, tlv } from './der.ts'
import { malformed, PkiError } from './error.ts'
import { decodeName, sameName } from './name.ts'
import { OID } from './oid.ts'
import { keyIdentifier, type PublicKeyInfo, readPublicKey } from './publicKey.ts'

// How CMS points at a certificate (RFC 5652 sections 5.3, 6.2.1, 10.2.4), and a certificate read for no more than that: its key and what it is called.

/** IssuerAndSerialNumber, or the key identifier. `issuer` is the DER of a Name, `serial` the contents of the INTEGER, whatever they are. */
export type CertificateIdentifier = { issuer: Buffer; serial: Buffer } | { keyIdentifier: Buffer }

/** A certificate of which nothing is judged: self-signed, expired, with an odd serial or unknown critical extensions, it is read all the same. */
export interface BareCertificate {
  der: Buffer
  /** DER of a Name. */
  issuer: Buffer
  /** DER of a Name. */
  subject: Buffer
  /** Contents of the INTEGER: any length, maybe negative, maybe text in ASCII. */
  serial: Buffer
  spki: Buffer
  /** Of the extension. */
  keyIdentifier?: Buffer
  /** Read when first asked for. Throws PkiError. */
  readonly publicKey: PublicKeyInfo
}

/** Reads a DER certificate no further than the outside of its fields. Throws PkiError('malformed'). */
export function readBareCertificate(der: Buffer): BareCertificate {
  const [tbs] = children(expect(readTlv(der), TAG.seq, 'Certificate'), 3)
  const fields = readTbs(expect(tbs, TAG.seq, 'TBSCertificate'))
  const { issuer, subject, serial, spki } = fields
  const ski = subjectKeyIdentifier(fields)
  let publicKey: PublicKeyInfo | undefined
  return {
    der,
    issuer,
    subject,
    serial: serial.value,
    spki,
    ...(ski ? { keyIdentifier: ski } : {}),
    get publicKey() {
      publicKey ??= readPublicKey(spki)
      return publicKey
    },
  }
}

const bare = new WeakMap<Buffer, BareCertificate>()

/** As readBareCertificate, for certificates that are kept, our own: each buffer is read once. */
export function keptBareCertificate(der: Buffer): BareCertificate {
  let certificate = bare.get(der)
  if (!certificate) {
    certificate = readBareCertificate(der)
    bare.set(der, certificate)
  }
  return certificate
}

function subjectKeyIdentifier({ extensions }: TbsFields): Buffer | undefined {
  const extension = extensions.find(({ oid }) => oid === OID.subjectKeyIdentifier)
  if (!extension) return undefined
  try {
    return expect(readTlv(extension.value), TAG.octets, 'subjectKeyIdentifier').value
  } catch {
    // A certificate that says it wrong is found by issuer and serial.
    return undefined
  }
}

/** The choice of SignerIdentifier and RecipientIdentifier. Throws PkiError('malformed'). */
export function readCertificateIdentifier(choice: Tlv | undefined): CertificateIdentifier {
  if (choice?.tag === context(0, false)) return { keyIdentifier: choice.value }
  return readIssuerAndSerial(choice)
}

/** IssuerAndSerialNumber (RFC 5652 section 10.2.4). Throws PkiError('malformed'). */
export function readIssuerAndSerial(sequence: Tlv | undefined): { issuer: Buffer; serial: Buffer } {
  const [issuer, serial, ...rest] = children(expect(sequence, TAG.seq, 'IssuerAndSerialNumber'), 3)
  if (rest.length > 0) throw malformed('an IssuerAndSerialNumber with something left over')
  return {
    issuer: expect(issuer, TAG.seq, 'issuer').der,
    serial: expect(serial, TAG.integer, 'serial number').value,
  }
}

/** DER IssuerAndSerialNumber of a certificate, bytes as they stand in it. */
export const encodeIssuerAndSerial = ({ issuer, serial }: Pick<BareCertificate, 'issuer' | 'serial'>): Buffer =>
  seq(issuer, tlv(TAG.integer, serial))

/** Whether the identifier points at this certificate. Names compare as RFC 5280 section 7.1 says; a certificate without the extension goes by the usual SHA-1 of its key. */
export function identifies(identifier: CertificateIdentifier, certificate: BareCertificate): boolean {
  if ('keyIdentifier' in identifier) return keyIdentifierOf(certificate)?.equals(identifier.keyIdentifier) ?? false
  if (!significant(identifier.serial).equals(significant(certificate.serial))) return false
  return identifier.issuer.equals(certificate.issuer) || namesMatch(identifier.issuer, certificate.issuer)
}

function keyIdentifierOf(certificate: BareCertificate): Buffer | undefined {
  if (certificate.keyIdentifier) return certificate.keyIdentifier
  try {
    return keyIdentifier(certificate)
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

/** Without leading zeros, which some programs put in and others leave out. */
function significant(serial: Buffer): Buffer {
  let at = 0
  while (at < serial.length - 1 && serial[at] === 0) at++
  return serial.subarray(at)
}

function namesMatch(a: Buffer, b: Buffer): boolean {
  try {
    return sameName(decodeName(a), decodeName(b))
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}
