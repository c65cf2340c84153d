import { isAscii } from 'node:buffer'
import { malformed } from './error.ts'

// Strict DER (X.690 section 10): definite and minimal lengths, minimal integers. Tag numbers above 30 appear in nothing that we read.

/** Identifier octets of the universal types. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8: 0x0c,
  seq: 0x30,
  set: 0x31,
  numeric: 0x12,
  printable: 0x13,
  teletex: 0x14,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visible: 0x1a,
  universal: 0x1c,
  bmp: 0x1e,
} as const

/** Identifier octet of the context-specific tag [n]. */
export function context(n: number, constructed = true): number {
  return (constructed ? 0xa0 : 0x80) | n
}

/** One value: its identifier octet, the whole encoding, and its contents. Both buffers are views, not copies. */
export interface Tlv {
  tag: number
  der: Buffer
  value: Buffer
}

const CONSTRUCTED = 0x20
const MAX_OID_OCTETS = 256
const MAX_ARC_OCTETS = 20

/** Reads the value that starts at `offset`; `end` is where the next one starts. Throws PkiError('malformed'). */
export function readTlvPrefix(buf: Buffer, offset: number): Tlv & { end: number } {
  const tag = buf[offset]
  const first = buf[offset + 1]
  if (tag === undefined || first === undefined) throw malformed('DER ends too early')
  if ((tag & 0x1f) === 0x1f || tag === 0) throw malformed('DER tag number out of range')
  let start = offset + 2
  let length = first
  if (first >= 0x80) {
    const count = first & 0x7f
    if (count === 0 || count > 4) throw malformed('DER length is indefinite or too long')
    if (start + count > buf.length) throw malformed('DER ends too early')
    length = buf.readUIntBE(start, count)
    start += count
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw malformed('DER length is not minimal')
  }
  const end = start + length
  if (end > buf.length) throw malformed('DER ends too early')
  return { tag, der: buf.subarray(offset, end), value: buf.subarray(start, end), end }
}

/** Reads exactly one value; bytes after it are an error. Throws PkiError('malformed'). */
export function readTlv(buf: Buffer): Tlv {
  const { tag, der, value, end } = readTlvPrefix(buf, 0)
  if (end !== buf.length) throw malformed('bytes after the end of a DER value')
  return { tag, der, value }
}

/** The values inside a constructed value, or inside ready contents. Throws PkiError('malformed'), also beyond `max` of them. */
export function children(parent: Tlv | Buffer, max = 4096): Tlv[] {
  const content = Buffer.isBuffer(parent) ? parent : parent.value
  if (!Buffer.isBuffer(parent) && !(parent.tag & CONSTRUCTED))
    throw malformed('a primitive value where a constructed one belongs')
  const out: Tlv[] = []
  for (let at = 0; at < content.length; ) {
    if (out.length >= max) throw malformed(`more than ${max} values in one structure`)
    const read = readTlvPrefix(content, at)
    at = read.end
    out.push(read)
  }
  return out
}

/** The value itself, if it is there and has this identifier octet. Throws PkiError('malformed') that names `what`. */
export function expect(tlv: Tlv | undefined, tag: number, what: string): Tlv {
  if (!tlv) throw malformed(`${what} is missing`)
  if (tlv.tag !== tag) throw malformed(`${what} has tag 0x${tlv.tag.toString(16)}, not 0x${tag.toString(16)}`)
  return tlv
}

// Readers. `tag` is for IMPLICIT tagging: the identifier octet that stands in place of the universal one.

/** INTEGER of any size, minimal encoding. */
export function readInteger(tlv: Tlv, tag: number = TAG.integer): bigint {
  const { value } = expect(tlv, tag, 'INTEGER')
  const [first, second] = value
  if (first === undefined) throw malformed('an empty INTEGER')
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
    throw malformed('an INTEGER that is not minimal')
  const unsignedValue = BigInt(`0x${value.toString('hex')}`)
  return first < 0x80 ? unsignedValue : BigInt.asIntN(value.length * 8, unsignedValue)
}

/** INTEGER within the safe range of a number. */
export function readSmallInteger(tlv: Tlv, tag: number = TAG.integer): number {
  if (tlv.value.length > 7) throw malformed('an INTEGER out of range')
  const value = Number(readInteger(tlv, tag))
  if (!Number.isSafeInteger(value)) throw malformed('an INTEGER out of range')
  return value
}

/** OBJECT IDENTIFIER in dotted form. */
export function readOid(tlv: Tlv, tag: number = TAG.oid): string {
  const { value } = expect(tlv, tag, 'OBJECT IDENTIFIER')
  const last = value[value.length - 1]
  if (last === undefined || last >= 0x80 || value.length > MAX_OID_OCTETS)
    throw malformed('an OBJECT IDENTIFIER that is cut off')
  let dotted = ''
  let start = 0
  for (let i = 0; i < value.length; i++) {
    if ((value[i] ?? 0) >= 0x80) continue
    const arc = readArc(value.subarray(start, i + 1))
    if (start > 0) dotted += `.${arc}`
    else
      dotted =
        arc < 40
          ? `0.${arc}`
          : arc < 80
            ? `1.${Number(arc) - 40}`
            : `2.${typeof arc === 'bigint' ? arc - 80n : arc - 80}`
    start = i + 1
  }
  return dotted
}

function readArc(septets: Buffer): number | bigint {
  if (septets[0] === 0x80) throw malformed('an OBJECT IDENTIFIER that is not minimal')
  if (septets.length > MAX_ARC_OCTETS) throw malformed('an OBJECT IDENTIFIER with an arc out of range')
  if (septets.length > 7) return septets.reduce((arc, septet) => (arc << 7n) | BigInt(septet & 0x7f), 0n)
  let arc = 0
  for (const septet of septets) arc = arc * 128 + (septet & 0x7f)
  return arc
}

/** BOOLEAN: 00 or FF and nothing else. */
export function readBool(tlv: Tlv, tag: number = TAG.boolean): boolean {
  const { value } = expect(tlv, tag, 'BOOLEAN')
  if (value.length !== 1 || (value[0] !== 0 && value[0] !== 0xff))
    throw malformed('a BOOLEAN that is neither 00 nor FF')
  return value[0] === 0xff
}

/** BIT STRING; the unused bits must be zero. */
export function readBits(tlv: Tlv, tag: number = TAG.bits): { bytes: Buffer; unused: number } {
  const { value } = expect(tlv, tag, 'BIT STRING')
  const unused = value[0]
  if (unused === undefined || unused > 7 || (unused > 0 && value.length === 1))
    throw malformed('a BIT STRING with a bad count of unused bits')
  if ((value[value.length - 1] ?? 0) & ((1 << unused) - 1) && value.length > 1)
    throw malformed('a BIT STRING with unused bits set')
  return { bytes: value.subarray(1), unused }
}

/** OCTET STRING, its contents. */
export const readOctets = (tlv: Tlv, tag: number = TAG.octets): Buffer => expect(tlv, tag, 'OCTET STRING').value

/**
 * Any of the string types. UTF8String and BMPString are checked; Teletex is read as Latin-1, which is what its users mean. PrintableString
 * and NumericString may hold any ASCII: real requests put `*`, `@` and `_` there. `tag` says which type an implicitly tagged value is.
 */
export function readString(tlv: Tlv, tag: number = tlv.tag): string {
  const { value } = tlv
  switch (tag) {
    case TAG.utf8:
      return isAscii(value) ? value.toString('latin1') : decodeText('utf-8', value)
    case TAG.printable:
    case TAG.numeric:
    case TAG.ia5:
    case TAG.visible:
      if (!isAscii(value)) throw malformed('a character outside ASCII in an ASCII string')
      return value.toString('latin1')
    case TAG.teletex:
      return value.toString('latin1')
    case TAG.bmp:
      return decodeText('utf-16be', value)
    case TAG.universal:
      return readUniversal(value)
    default:
      throw malformed(`tag 0x${tag.toString(16)} is no string`)
  }
}

function decodeText(encoding: string, value: Buffer): string {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(value)
  } catch (cause) {
    throw malformed(`a string that is not ${encoding}`, { cause })
  }
}

function readUniversal(value: Buffer): string {
  if (value.length % 4) throw malformed('a UniversalString that is cut off')
  let out = ''
  for (let at = 0; at < value.length; at += 4) {
    const point = value.readUInt32BE(at)
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
      throw malformed('a UniversalString with a value outside Unicode')
    out += String.fromCodePoint(point)
  }
  return out
}

/** UTCTime or GeneralizedTime, as RFC 5280 section 4.1.2.5 narrows them: to the second, ending in Z, no fractions. */
export function readTime(tlv: Tlv, tag: number = tlv.tag): Date {
  if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) throw malformed(`tag 0x${tag.toString(16)} is no time`)
  const { value } = tlv
  const first = tag === TAG.utcTime ? 2 : 4
  if (value.length !== first + 11 || value[value.length - 1] !== 0x5a) throw badTime()
  const digits = (from: number, to: number) => readDigits(value, from, to)
  const shown = digits(0, first)
  const year = first === 4 ? shown : shown < 50 ? 2000 + shown : 1900 + shown
  const [month, day] = [digits(first, first + 2), digits(first + 2, first + 4)]
  const [hour, minute] = [digits(first + 4, first + 6), digits(first + 6, first + 8)]
  const second = digits(first + 8, first + 10)
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, second))
  // Not by Date.UTC: it takes the years 0 to 99 for those of the last century. The year 2000 has every day.
  date.setUTCFullYear(year, month - 1, day)
  // JavaScript takes 30 February for 1 March and 24:00 for the next day.
  const exists =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  if (!exists) throw malformed('a time that does not exist')
  return date
}

function readDigits(value: Buffer, from: number, to: number): number {
  let number = 0
  for (let at = from; at < to; at++) {
    const digit = (value[at] ?? 0) - 0x30
    if (digit < 0 || digit > 9) throw badTime()
    number = number * 10 + digit
  }
  return number
}

const badTime = () => malformed('a time that is not of the form YYYYMMDDHHMMSSZ')
