/** Record types (RFC 1035 section 3.2.2, RFC 4034, RFC 8659). */
export const RECORD = { SOA: 6, CNAME: 5, TXT: 16, OPT: 41, RRSIG: 46, CAA: 257 } as const

export interface DnsQuestion {
  /** Lower case, without a trailing dot; empty for the root. */
  name: string
  type: number
}

export interface DnsRecord {
  /** As readName writes it. */
  name: string
  type: number
  data: Buffer
  /** Of a CNAME. */
  target?: string
}

export interface DnsReply {
  /** 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN …, with the upper bits that EDNS adds (RFC 6891 section 6.1.3). */
  rcode: number
  /** AD: the resolver says that it validated what stands in the reply (RFC 4035 section 3.2.3). */
  authenticated: boolean
  /** TC: cut off, to be asked again over TCP. */
  truncated: boolean
  answers: DnsRecord[]
}

/** A message that is no DNS message, or breaks off. */
export class DnsMessageError extends Error {
  override readonly name = 'DnsMessageError'
}

/** Passes without fragments (DNS Flag Day 2020). */
const UDP_SIZE = 1232
const HEADER = 12
const MAX_NAME = 255
const MAX_LABEL = 63
const MAX_POINTERS = 32

/**
 * A recursive query with EDNS(0): DO asks for DNSSEC records (RFC 3225), AD asks for the AD bit in the reply (RFC 6840 section 5.7), and CD
 * stays clear, so that a validating resolver answers bogus data with SERVFAIL. Throws DnsMessageError when the name does not fit into DNS.
 */
export function writeQuery(id: number, { name, type }: DnsQuestion): Buffer {
  const header = Buffer.alloc(HEADER)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(0x0120, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(1, 10)
  const fixed = Buffer.alloc(4)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  const opt = Buffer.alloc(11)
  opt.writeUInt16BE(RECORD.OPT, 1)
  opt.writeUInt16BE(UDP_SIZE, 3)
  opt.writeUInt16BE(0x8000, 7)
  return Buffer.concat([header, writeName(name), fixed, opt])
}

function writeName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.')
  const parts = labels.map((label) => {
    const octets = Buffer.from(label, 'latin1')
    if (octets.length === 0 || octets.length > MAX_LABEL) throw new DnsMessageError('a label that is empty or too long')
    return Buffer.concat([Buffer.of(octets.length), octets])
  })
  const whole = Buffer.concat([...parts, Buffer.of(0)])
  if (whole.length > MAX_NAME) throw new DnsMessageError('a name that is too long')
  return whole
}

/**
 * Reads the reply to a query. undefined: this is no reply to it (another id, another question, no reply at all), so whoever sent it is not the
 * server that was asked. Throws DnsMessageError for a reply to it that breaks off or contradicts itself; nothing else, whatever the bytes.
 */
export function readReply(message: Buffer, id: number, question: DnsQuestion): DnsReply | undefined {
  if (message.length < HEADER || message.readUInt16BE(0) !== id) return undefined
  const flags = message.readUInt16BE(2)
  // QR must be set, the opcode must be QUERY.
  if ((flags & 0xf800) !== 0x8000) return undefined
  const asked = message.readUInt16BE(4)
  const reader = { message, at: HEADER }
  // A server that cannot read the query may leave the question out (FORMERR).
  if (asked === 0 && (flags & 0x0f) === 1) return { rcode: 1, authenticated: false, truncated: false, answers: [] }
  if (asked !== 1 || !sameQuestion(reader, question)) return undefined
  const truncated = (flags & 0x0200) !== 0
  if (truncated) return { rcode: flags & 0x0f, authenticated: false, truncated, answers: [] }
  const answers = readSection(reader, message.readUInt16BE(6))
  readSection(reader, message.readUInt16BE(8))
  const additional = readSection(reader, message.readUInt16BE(10))
  if (reader.at !== message.length) throw new DnsMessageError('octets after the last record')
  const extended = additional.find(({ type }) => type === RECORD.OPT)?.extendedRcode ?? 0
  return {
    rcode: (extended << 4) | (flags & 0x0f),
    authenticated: (flags & 0x0020) !== 0,
    truncated,
    answers: answers.filter(({ isInternet }) => isInternet),
  }
}

interface Reader {
  message: Buffer
  at: number
}

interface WireRecord extends DnsRecord {
  isInternet: boolean
  extendedRcode: number
}

function sameQuestion(reader: Reader, { name, type }: DnsQuestion): boolean {
  try {
    return (
      readName(reader) === name && take(reader, 2).readUInt16BE(0) === type && take(reader, 2).readUInt16BE(0) === 1
    )
  } catch (error) {
    if (error instanceof DnsMessageError) return false
    throw error
  }
}

function readSection(reader: Reader, count: number): WireRecord[] {
  const records: WireRecord[] = []
  for (let read = 0; read < count; read++) records.push(readRecord(reader))
  return records
}

function readRecord(reader: Reader): WireRecord {
  const name = readName(reader)
  const fixed = take(reader, 10)
  const type = fixed.readUInt16BE(0)
  const from = reader.at
  const data = take(reader, fixed.readUInt16BE(8))
  const record = { name, type, data, isInternet: fixed.readUInt16BE(2) === 1, extendedRcode: fixed.readUInt8(4) }
  if (type !== RECORD.CNAME) return record
  const target = { message: reader.message, at: from }
  const named = readName(target)
  if (target.at !== reader.at) throw new DnsMessageError('a CNAME that is more or less than a name')
  return { ...record, target: named }
}

/** In lower case, without a trailing dot; a dot or backslash inside a label has a backslash in front. */
function readName(reader: Reader): string {
  const labels: string[] = []
  let at = reader.at
  let end: number | undefined
  let size = 0
  for (let pointers = 0; ; ) {
    const length = octet(reader.message, at)
    if (length === 0) break
    if (length >= 0xc0) {
      const to = ((length & 0x3f) << 8) | octet(reader.message, at + 1)
      // Only backwards, so that it comes to an end (RFC 1035 section 4.1.4: "a prior occurrence").
      if (to >= at || ++pointers > MAX_POINTERS) throw new DnsMessageError('a name that leads nowhere')
      end ??= at + 2
      at = to
      continue
    }
    size += length + 1
    if (length > MAX_LABEL || size >= MAX_NAME) throw new DnsMessageError('a name that is too long')
    const label = take({ message: reader.message, at: at + 1 }, length).toString('latin1')
    labels.push(label.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/[.\\]/g, '\\$&'))
    at += length + 1
  }
  reader.at = end ?? at + 1
  return labels.join('.')
}

function octet(message: Buffer, at: number): number {
  const value = message[at]
  if (value === undefined) throw new DnsMessageError('a message that breaks off')
  return value
}

function take(reader: Reader, length: number): Buffer {
  const end = reader.at + length
  if (end > reader.message.length) throw new DnsMessageError('a message that breaks off')
  const part = reader.message.subarray(reader.at, end)
  reader.at = end
  return part
}
