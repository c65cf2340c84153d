import { expect, TAG, type Tlv, tlv } from './der.ts'
import { malformed } from './error.ts'

// Serial numbers are lower-case hex of the unsigned value, two digits an octet, no leading 00 octet; zero is '00'.

const MAX_OCTETS = 20

/** INTEGER of a serial in hex; a 00 octet goes before a set top bit. Throws PkiError('malformed') for anything but hex of 1 to 20 octets. */
export function encodeSerial(serial: string): Buffer {
  const octets = Buffer.from(serial, 'hex')
  const [first = 0] = octets
  if (octets.length === 0 || octets.length > MAX_OCTETS || octets.length * 2 !== serial.length)
    throw malformed('a serial number that is not 1 to 20 octets of hex')
  if (first === 0 && octets.length > 1) throw malformed('a serial number with a leading zero octet')
  return tlv(TAG.integer, first < 0x80 ? octets : Buffer.concat([Buffer.of(0), octets]))
}

/** Hex of a CertificateSerialNumber. Throws PkiError('malformed') for a negative one, or one above 20 octets (RFC 5280 section 4.1.2.2). */
export function readSerial(integer: Tlv | undefined): string {
  const { value } = expect(integer, TAG.integer, 'serial number')
  const [first, second] = value
  if (first === undefined || first >= 0x80) throw malformed('a serial number that is empty or negative')
  if (first === 0 && second !== undefined && second < 0x80) throw malformed('a serial number that is not minimal')
  const octets = first === 0 && second !== undefined ? value.subarray(1) : value
  if (octets.length > MAX_OCTETS) throw malformed('a serial number of more than 20 octets')
  return octets.toString('hex')
}
