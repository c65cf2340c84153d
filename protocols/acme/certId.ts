import type { CertId } from '../../src/core/issuance/renewal.ts'
import { decodeBase64url } from './base64url.ts'
import { AcmeError } from './errors.ts'

/** RFC 5280 section 4.1.2.2 allows 20 octets, and DER one more before a high bit. */
const MAX_SERIAL = 21
const MAX_KEY_IDENTIFIER = 64

/**
 * RFC 9773 section 4.1: base64url of the keyIdentifier, a period, base64url of the content of the serial number's DER, which begins with 00
 * where its first bit would else be set. Each certificate has one such text: any other is refused. Throws AcmeError('malformed').
 */
export function readCertId(text: string): CertId {
  const [key = '', number = '', ...more] = text.split('.')
  const keyIdentifier = octets(key, MAX_KEY_IDENTIFIER)
  const serial = octets(number, MAX_SERIAL)
  if (!keyIdentifier || !serial || more.length > 0) throw wrong('base64url without padding, a period, base64url')
  const [first = 0, second = 0] = serial
  if (first >= 0x80) throw wrong('the serial number begins with 00 where its first bit would be set')
  if (first === 0 && (serial.length === 1 || second < 0x80)) throw wrong('the serial number has an octet too many')
  const hex = serial.subarray(first === 0 ? 1 : 0).toString('hex')
  return { keyIdentifier: keyIdentifier.toString('hex'), serial: hex }
}

/** Undefined as well for text whose last bits say nothing: another text would mean the same. */
function octets(text: string, max: number): Buffer | undefined {
  const read = decodeBase64url(text)
  return read && read.length > 0 && read.length <= max && read.toString('base64url') === text ? read : undefined
}

function wrong(how: string): AcmeError {
  return new AcmeError('malformed', `the certificate is not named as in RFC 9773 section 4.1: ${how}`)
}
