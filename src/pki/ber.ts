import { TAG } from './der.ts'
import { malformed } from './error.ts'

// CMS may come in BER (RFC 5652 section 2): lengths left open, strings in pieces, lengths in more octets than needed. Readers of src/pki are strict;
// this makes of such bytes what they read. Only the encoding of lengths and of OCTET STRINGs changes: no value, and no order within a SET.

export interface BerLimits {
  /** Octets of the whole. */
  size?: number
  /** Constructed values within each other. */
  depth?: number
  /** Values in all, pieces of strings among them. */
  values?: number
}

const CONSTRUCTED = 0x20
const CONSTRUCTED_OCTETS = TAG.octets | CONSTRUCTED

/** A value that is to be written anew: `length` is that of all its parts. A Buffer is a whole encoding that stays as it is. */
interface Rebuilt {
  tag: number
  parts: Part[]
  length: number
}
type Part = Buffer | Rebuilt

interface Reader {
  bytes: Buffer
  at: number
  valuesLeft: number
  depthLeft: number
}

/**
 * The DER lengths of a BER value, in time linear in its size: definite and minimal ones, and each OCTET STRING in one piece. Bytes that need nothing
 * are returned as they are. What stands within an OCTET STRING, and a [n] IMPLICIT string in pieces, is left to whoever knows the type (octetsInPieces).
 * Limits by default: 1 MiB, 32 levels, 20 000 values. Throws PkiError('malformed'), also for bytes after the end and a string in pieces of another type.
 */
export function berToDer(bytes: Buffer, { size = 1 << 20, depth = 32, values = 20_000 }: BerLimits = {}): Buffer {
  if (bytes.length > size) throw malformed(`more than ${size} octets`)
  if (isDer(bytes, { valuesLeft: values, depthLeft: depth })) return bytes
  const reader: Reader = { bytes, at: 0, valuesLeft: values, depthLeft: depth }
  const part = readValue(reader, bytes.length)
  if (reader.at !== bytes.length) throw malformed('bytes after the end of a BER value')
  if (Buffer.isBuffer(part)) return part
  const out = Buffer.allocUnsafe(sizeOf(part))
  write(part, out, 0)
  return out
}

/** Whether nothing needs to change: most messages are DER, and a look that keeps nothing costs a fifth. */
function isDer(bytes: Buffer, limits: { valuesLeft: number; depthLeft: number }): boolean {
  return derRun(bytes, limits, 0, bytes.length) === 1
}

/** How many values stand between these two places, in DER all of them; -1 if they do not. */
function derRun(bytes: Buffer, limits: { valuesLeft: number; depthLeft: number }, start: number, end: number): number {
  let count = 0
  for (let at = start; at < end; count++) {
    const tag = bytes[at] ?? 0
    const first = bytes[at + 1] ?? 0
    const octets = first < 0x80 ? 0 : first & 0x7f
    const content = at + 2 + octets
    if (content > end || octets > 4 || first === 0x80 || (tag & 0x1f) === 0x1f || tag === 0) return -1
    const length = octets === 0 ? first : bytes.readUIntBE(at + 2, octets)
    if (lengthOctets(length) !== octets || length > end - content || --limits.valuesLeft < 0) return -1
    at = content + length
    if (!(tag & CONSTRUCTED)) continue
    if (tag === CONSTRUCTED_OCTETS || --limits.depthLeft < 0 || derRun(bytes, limits, content, at) < 0) return -1
    limits.depthLeft++
  }
  return count
}

/** Reads the value at the reader's position, which ends at `end` or before. */
function readValue(reader: Reader, end: number): Part {
  const { bytes } = reader
  const start = reader.at
  if (--reader.valuesLeft < 0) throw malformed('a BER value with too many values')
  if (start + 2 > end) throw malformed('BER ends too early')
  const tag = bytes[start] ?? 0
  if ((tag & 0x1f) === 0x1f || tag === 0) throw malformed('BER tag number out of range')
  const length = readLength(reader, end)
  if (!(tag & CONSTRUCTED)) {
    if (length === undefined) throw malformed('a primitive BER value without a length')
    const content = bytes.subarray(reader.at, reader.at + length)
    reader.at += length
    return keep(bytes, start, reader.at, { tag, parts: [content], length })
  }
  if (--reader.depthLeft < 0) throw malformed('BER values nested too deep')
  const parts = length === undefined ? readOpen(reader, end) : readClosed(reader, reader.at + length)
  reader.depthLeft++
  if (tag === CONSTRUCTED_OCTETS) return joined(parts)
  const rebuilt = { tag, parts, length: lengthOf(parts) }
  // Parts that were all kept leave only the length of this value to look at. One that was left open may take as much room as a definite one.
  const kept = length !== undefined && parts.every((part) => Buffer.isBuffer(part))
  return kept ? keep(bytes, start, reader.at, rebuilt) : rebuilt
}

/** The length, undefined where it is left open; the reader moves behind it. */
function readLength(reader: Reader, end: number): number | undefined {
  const first = reader.bytes[reader.at + 1] ?? 0
  reader.at += 2
  if (first === 0x80) return undefined
  let length = first
  if (first > 0x80) {
    const count = first & 0x7f
    if (count > 8 || reader.at + count > end) throw malformed('a BER length that is too long')
    length = 0
    for (let i = 0; i < count; i++) length = length * 256 + (reader.bytes[reader.at++] ?? 0)
  }
  if (length > end - reader.at) throw malformed('BER ends too early')
  return length
}

function readClosed(reader: Reader, end: number): Part[] {
  const parts: Part[] = []
  while (reader.at < end) parts.push(readValue(reader, end))
  return parts
}

function readOpen(reader: Reader, end: number): Part[] {
  const parts: Part[] = []
  while (reader.at + 2 <= end) {
    if (reader.bytes[reader.at] === 0 && reader.bytes[reader.at + 1] === 0) {
      reader.at += 2
      return parts
    }
    parts.push(readValue(reader, end))
  }
  throw malformed('BER ends too early')
}

/** The bytes themselves where they have the size that DER gives them: then their length, which is definite, is minimal too. */
function keep(bytes: Buffer, start: number, end: number, rebuilt: Rebuilt): Part {
  return sizeOf(rebuilt) === end - start ? bytes.subarray(start, end) : rebuilt
}

/** One OCTET STRING of its pieces, each one itself an OCTET STRING, which nested ones have become already (X.690 section 8.7). */
function joined(pieces: Part[]): Rebuilt {
  const parts = pieces.flatMap((piece) => {
    if (!Buffer.isBuffer(piece)) {
      if (piece.tag !== TAG.octets) throw malformed('an OCTET STRING with a piece of another type')
      return piece.parts
    }
    if (piece[0] !== TAG.octets) throw malformed('an OCTET STRING with a piece of another type')
    return [piece.subarray(piece.length < 0x82 ? 2 : 2 + ((piece[1] ?? 0) & 0x7f))]
  })
  return { tag: TAG.octets, parts, length: lengthOf(parts) }
}

function lengthOf(parts: Part[]): number {
  let length = 0
  for (const part of parts) length += Buffer.isBuffer(part) ? part.length : sizeOf(part)
  return length
}

function lengthOctets(length: number): number {
  return length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4
}

const sizeOf = ({ length }: Rebuilt): number => 2 + lengthOctets(length) + length

/** Writes a value at `at`; gives where the next one starts. */
function write(part: Part, out: Buffer, at: number): number {
  if (Buffer.isBuffer(part)) {
    out.set(part, at)
    return at + part.length
  }
  const count = lengthOctets(part.length)
  out[at] = part.tag
  out[at + 1] = count ? 0x80 | count : part.length
  if (count) out.writeUIntBE(part.length, at + 2, count)
  let next = at + 2 + count
  for (const inner of part.parts) next = write(inner, out, next)
  return next
}
