import type { X509Certificate } from 'node:crypto'
import { readTbs, type TbsFields } from '../../src/pki/certificateReader.ts'
import { children, context, expect, readOctets, readTlv, TAG, type Tlv } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Extension } from '../../src/pki/extensions.ts'
import { formatIp, parseIp } from '../../src/pki/identifier.ts'
import { OID } from '../../src/pki/oid.ts'
import { quote, ValidationFailure } from './outcome.ts'

const DNS_NAME = context(2, false)
const IP_ADDRESS = context(7, false)

/**
 * The certificate of RFC 8737 section 3 (RFC 8738 section 6 for addresses): self-signed, one name, which is the identifier, and the digest
 * of the key authorization in a critical acmeIdentifier. Throws ValidationFailure('incorrectResponse').
 */
export function checkAlpnCertificate(
  certificate: X509Certificate,
  identifier: { type: 'dns' | 'ip'; value: string },
  digest: Buffer,
): void {
  const tbs = read(certificate.raw)
  if (!isSelfSigned(certificate, tbs)) throw wrong('it is not self-signed')
  checkName(only(tbs, OID.subjectAltName, 'subjectAltName'), identifier)
  const proof = only(tbs, OID.acmeIdentifier, 'acmeIdentifier')
  if (!proof.critical) throw wrong('its acmeIdentifier extension is not critical')
  const seen = decode('acmeIdentifier extension', () => readOctets(readTlv(proof.value)))
  if (!seen.equals(digest))
    throw wrong(
      `its acmeIdentifier extension holds ${quote(seen.toString('hex'))}, expected "${digest.toString('hex')}"`,
    )
}

function wrong(why: string): ValidationFailure {
  return new ValidationFailure('incorrectResponse', `the certificate for acme-tls/1 does not fit: ${why}`)
}

/** Runs a reader of DER on what somebody else sent. */
function decode<T>(what: string, reader: () => T): T {
  try {
    return reader()
  } catch (error) {
    if (error instanceof PkiError) throw wrong(`its ${what} cannot be read: ${error.message}`)
    throw error
  }
}

function read(der: Buffer): TbsFields {
  return decode('DER', () => readTbs(expect(children(readTlv(der), 3)[0], TAG.seq, 'TBSCertificate')))
}

function isSelfSigned(certificate: X509Certificate, { issuer, subject }: TbsFields): boolean {
  if (!issuer.equals(subject)) return false
  try {
    return certificate.verify(certificate.publicKey)
  } catch {
    // A key of a kind that OpenSSL does not know: nothing that it signed can be checked.
    return false
  }
}

function only(tbs: TbsFields, oid: string, name: string): Extension {
  const [first, ...others] = tbs.extensions.filter((extension) => extension.oid === oid)
  if (!first) throw wrong(`it has no ${name} extension`)
  if (others.length > 0) throw wrong(`it has more than one ${name} extension`)
  return first
}

function checkName(extension: Extension, identifier: { type: 'dns' | 'ip'; value: string }): void {
  const names = decode('subjectAltName extension', () =>
    children(expect(readTlv(extension.value), TAG.seq, 'GeneralNames')),
  )
  const [name] = names
  if (!name || names.length > 1)
    throw wrong(`its subjectAltName has ${names.length} names, not just ${identifier.value}`)
  if (!isNamed(name, identifier)) throw wrong(`its subjectAltName is ${describe(name)}, not ${identifier.value}`)
}

function isNamed({ tag, value }: Tlv, identifier: { type: 'dns' | 'ip'; value: string }): boolean {
  if (identifier.type === 'ip') return tag === IP_ADDRESS && parseIp(identifier.value)?.equals(value) === true
  // Without case (RFC 4343); both sides are A-labels.
  return tag === DNS_NAME && value.toString('latin1').toLowerCase() === identifier.value.toLowerCase()
}

function describe({ tag, value }: Tlv): string {
  if (tag === IP_ADDRESS && (value.length === 4 || value.length === 16)) return formatIp(value)
  return tag === DNS_NAME ? quote(value.toString('latin1')) : 'a name of another kind'
}
