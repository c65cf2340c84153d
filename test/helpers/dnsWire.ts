// DNS messages (RFC 1035 section 4), as much as an authoritative server of a test needs.

export const TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, OPT: 41, CAA: 257 } as const
export type RecordType = keyof typeof TYPES
const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const
export type Rcode = keyof typeof RCODES

interface CaaRecord {
  critical?: boolean
  tag: string
  value: string
}

/** A, AAAA and CNAME: text. TXT: one string, or the strings that make up the record. */
export type RecordValue = string | readonly string[] | CaaRecord

export interface Answer {
  name: string
  type: RecordType
  value: RecordValue
}

export interface Query {
  id: number
  /** Lower case, no trailing dot. */
  name: string
  /** Number of the type, which need not be one of TYPES. */
  type: number
  /** The question as it came, to be sent back (its letter case included). */
  question: Buffer
  recursionDesired: boolean
  /** Largest answer over UDP, by EDNS. */
  udpSize: number
  ad: boolean
  dnssecOk: boolean
}

export function readQuery(message: Buffer): Query {
  const labels: string[] = []
  let at = 12
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  const end = at + 5
  // An OPT record has the root as its name, its type, then the size in place of the class (RFC 6891 section 6.1.2).
  const hasEdns =
    message.readUInt16BE(10) > 0 && message.length >= end + 5 && message.readUInt16BE(end + 1) === TYPES.OPT
  return {
    id: message.readUInt16BE(0),
    name: labels.join('.').toLowerCase(),
    type: message.readUInt16BE(at + 1),
    question: message.subarray(12, end),
    recursionDesired: (message.readUInt8(2) & 1) === 1,
    udpSize: hasEdns ? message.readUInt16BE(end + 3) : 512,
    ad: (message.readUInt8(3) & 0x20) !== 0,
    dnssecOk: hasEdns && (message.readUInt16BE(end + 7) & 0x8000) !== 0,
  }
}

export interface Reply {
  rcode: Rcode
  answers: Answer[]
  /** The answer was cut off: ask again over TCP. */
  truncated?: boolean
  /** AD: the resolver has checked it by DNSSEC. */
  authenticated?: boolean
}

export function writeReply(query: Query, { rcode, answers, truncated = false, authenticated = false }: Reply): Buffer {
  const records = truncated ? [] : answers.map(writeRecord)
  const header = Buffer.alloc(12)
  header.writeUInt16BE(query.id, 0)
  header.writeUInt8(0x84 | (truncated ? 0x02 : 0) | (query.recursionDesired ? 0x01 : 0), 2)
  header.writeUInt8(0x80 | (authenticated ? 0x20 : 0) | RCODES[rcode], 3)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  return Buffer.concat([header, query.question, ...records])
}

function writeRecord({ name, type, value }: Answer): Buffer {
  const data = writeData(type, value)
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(TYPES[type], 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([writeName(name), fixed, data])
}

function writeName(name: string): Buffer {
  const labels = name.split('.').filter(Boolean)
  return Buffer.concat([...labels.map(characterString), Buffer.of(0)])
}

function characterString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

function writeData(type: RecordType, value: RecordValue): Buffer {
  if (typeof value === 'object' && 'tag' in value) {
    const flags = Buffer.of(value.critical ? 128 : 0)
    return Buffer.concat([flags, characterString(value.tag), Buffer.from(value.value, 'latin1')])
  }
  const strings = typeof value === 'string' ? [value] : value
  const text = strings[0] ?? ''
  switch (type) {
    case 'A':
      return Buffer.from(text.split('.').map(Number))
    case 'AAAA':
      return ipv6(text)
    case 'CNAME':
    case 'NS':
      return writeName(text)
    case 'TXT':
      return Buffer.concat(strings.map(characterString))
    default:
      throw new Error(`the test server does not write ${type} records`)
  }
}

/** Eight groups, `::` once at most, a dotted quad at the end if need be. */
function ipv6(text: string): Buffer {
  const quad = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  const hex = (high = '', low = '') => ((Number(high) << 8) | Number(low)).toString(16)
  const full = quad ? `${quad[1]}${hex(quad[2], quad[3])}:${hex(quad[4], quad[5])}` : text
  const [head = [], tail = []] = full.split('::').map((half) => half.split(':').filter(Boolean))
  const words = [...head, ...new Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
  return Buffer.from(words.map((word) => word.padStart(4, '0')).join(''), 'hex')
}
