import { context, TAG } from './derReader.ts'
import { malformed } from './error.ts'

// Writers of DER. Readers are in derReader.ts and leave by the same door, so that a module names one source for both.
export {
  children,
  context,
  expect,
  readBits,
  readBool,
  readInteger,
  readOctets,
  readOid,
  readSmallInteger,
  readString,
  readTime,
  readTlv,
  readTlvPrefix,
  TAG,
  type Tlv,
} from './derReader.ts'

const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/

/** Tag and length of a value whose contents follow elsewhere. */
export const tagAndLength = (tag: number, length: number): Buffer => header(tag, length, 0)

function header(tag: number, length: number, room = length): Buffer {
  const size = length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : length < 0x1000000 ? 5 : 6
  const out = Buffer.allocUnsafe(size + room)
  out[0] = tag
  if (size === 2) out[1] = length
  else {
    out[1] = 0x80 | (size - 2)
    out.writeUIntBE(length, 2, size - 2)
  }
  return out
}

function build(tag: number, parts: readonly Buffer[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  const out = header(tag, length)
  let at = out.length - length
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** One value of any tag around ready contents. */
export function tlv(tag: number, content: Buffer): Buffer {
  const out = header(tag, content.length)
  out.set(content, out.length - content.length)
  return out
}

export const seq = (...parts: Buffer[]): Buffer => build(TAG.seq, parts)

/** SET, members in the order given. */
export const set = (...parts: Buffer[]): Buffer => build(TAG.set, parts)

/** SET OF: members sorted by their encodings (X.690 section 11.6). */
export const setOf = (...parts: Buffer[]): Buffer =>
  build(TAG.set, parts.length < 2 ? parts : parts.sort(Buffer.compare))

/** INTEGER; a Buffer is an unsigned big-endian magnitude. */
export function integer(value: number | bigint | Buffer): Buffer {
  if (typeof value === 'number' && value >= 0 && value < 0x80) return Buffer.from([TAG.integer, 1, value])
  return tlv(TAG.integer, Buffer.isBuffer(value) ? unsigned(value) : signed(BigInt(value)))
}

function unsigned(magnitude: Buffer): Buffer {
  let at = 0
  while (at < magnitude.length - 1 && magnitude[at] === 0) at++
  const bytes = magnitude.subarray(at)
  return (bytes[0] ?? 0x80) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes])
}

function signed(value: bigint): Buffer {
  const bits = (value < 0n ? ~value : value).toString(2)
  const octets = (value === 0n || value === -1n ? 0 : bits.length >> 3) + 1
  return Buffer.from(
    BigInt.asUintN(octets * 8, value)
      .toString(16)
      .padStart(octets * 2, '0'),
    'hex',
  )
}

export const bool = (b: boolean): Buffer => Buffer.from([TAG.boolean, 1, b ? 0xff : 0])
export const nullValue = (): Buffer => Buffer.from([TAG.null, 0])
export const octets = (content: Buffer): Buffer => tlv(TAG.octets, content)
export const bits = (content: Buffer, unusedBits = 0): Buffer => build(TAG.bits, [Buffer.of(unusedBits), content])
export const enumerated = (n: number): Buffer => tlv(TAG.enumerated, signed(BigInt(n)))
export const utf8 = (s: string): Buffer => tlv(TAG.utf8, Buffer.from(s))

/** [n] EXPLICIT around a complete value. */
export const explicit = (tagNumber: number, content: Buffer): Buffer => tlv(context(tagNumber), content)

/** [n] IMPLICIT: `content` is what stands inside, without the replaced tag; `constructed` when that tag was SEQUENCE or SET. */
export const implicit = (tagNumber: number, content: Buffer, constructed = false): Buffer =>
  tlv(context(tagNumber, constructed), content)

/** PrintableString. Throws PkiError('malformed') for other characters. */
export function printable(s: string): Buffer {
  if (!PRINTABLE.test(s)) throw malformed('a character that PrintableString does not have')
  return tlv(TAG.printable, Buffer.from(s, 'latin1'))
}

/** Whether PrintableString can hold it. */
export const isPrintable = (s: string): boolean => PRINTABLE.test(s)

/** IA5String. Throws PkiError('malformed') for a character outside ASCII. */
export function ia5(s: string): Buffer {
  const content = Buffer.from(s)
  if (content.length !== s.length) throw malformed('a character outside ASCII in an IA5String')
  return tlv(TAG.ia5, content)
}

const oidEncodings = new Map<string, Buffer>()

/** OBJECT IDENTIFIER from its dotted form. Throws PkiError('malformed'). */
export function oid(dotted: string): Buffer {
  const known = oidEncodings.get(dotted)
  if (known) return known
  if (dotted.length > 512 || !/^(?:[01]\.[1-3]?\d|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*$/.test(dotted))
    throw malformed(`"${dotted.slice(0, 80)}" is no object identifier`)
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt)
  const bytes = [first * 40n + second, ...rest].flatMap((arc) => {
    const out = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) out.unshift(Number(left & 0x7fn) | 0x80)
    return out
  })
  const encoding = tlv(TAG.oid, Buffer.from(bytes))
  // Bounded, because names and requests bring identifiers of their own.
  if (oidEncodings.size < 1000) oidEncodings.set(dotted, encoding)
  return encoding
}

function digits(date: Date): string {
  return date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')
}

/** Time of RFC 5280 section 4.1.2.5: UTCTime from 1950 to 2049, else GeneralizedTime; whole seconds. */
export function time(date: Date): Buffer {
  const year = date.getUTCFullYear()
  if (year < 1950 || year > 2049) return generalizedTime(date)
  return tlv(TAG.utcTime, Buffer.from(digits(date).slice(2), 'latin1'))
}

/** GeneralizedTime YYYYMMDDHHMMSSZ, whole seconds. Years 0 to 9999. */
export const generalizedTime = (date: Date): Buffer => tlv(TAG.generalizedTime, Buffer.from(digits(date), 'latin1'))
