import {
  children,
  context,
  expect,
  readBits,
  readOctets,
  readOid,
  readSmallInteger,
  readTime,
  readTlv,
  seq,
  TAG,
  type Tlv,
} from './der.ts'
import { malformed } from './error.ts'
import { decodeName, type Name } from './name.ts'

// The outside of a PKIMessage of CMP: RFC 9810 section 5.1. What stands in the body is for cmpBody.ts.

/** Numbers of the choices of PKIBody that are read or written here (section 5.1.2). */
export const CMP_BODY = {
  ir: 0,
  ip: 1,
  cr: 2,
  cp: 3,
  p10cr: 4,
  kur: 7,
  kup: 8,
  rr: 11,
  rp: 12,
  pkiconf: 19,
  nested: 20,
  genm: 21,
  genp: 22,
  error: 23,
  certConf: 24,
  pollReq: 25,
  pollRep: 26,
} as const
export type CmpBodyType = keyof typeof CMP_BODY

/** InfoTypeAndValue; `value`: absent where there is none. */
export interface CmpInfo {
  oid: string
  value?: Tlv
}

/** What the header of a message says (section 5.1.1); nothing of it is judged. */
export interface CmpHeader {
  pvno: number
  /** DER of the GeneralName. */
  sender: Buffer
  /** Of a directoryName. */
  senderName?: Name
  messageTime?: Date
  /** DER AlgorithmIdentifier. */
  protectionAlg?: Buffer
  senderKid?: Buffer
  transactionId?: Buffer
  senderNonce?: Buffer
  recipNonce?: Buffer
  generalInfo: CmpInfo[]
}

/** A PKIMessage as it claims to be. */
export interface CmpMessage {
  header: CmpHeader
  /** Of a choice that is none of CMP_BODY: its number. */
  type: CmpBodyType | number
  /** What stands inside the tag of the choice. */
  content: Tlv
  /** DER ProtectedPart: what the protection is over (section 5.1.3). */
  protectedPart: Buffer
  /** Contents of the BIT STRING. */
  protection?: Buffer
  /** DER, as they came. */
  extraCerts: Buffer[]
}

const MAX_CERTIFICATES = 32
const MAX_INFO = 32
const DIRECTORY_NAME = context(4)

const BODY_TYPES = new Map<number, CmpBodyType>(
  Object.entries(CMP_BODY).map(([name, number]) => [number, name as CmpBodyType]),
)

/** Reads a DER PKIMessage. The bytes are copied first, so the result does not change with them. Throws PkiError('malformed'). */
export function readCmpMessage(der: Buffer): CmpMessage {
  const [header, body, ...rest] = children(expect(readTlv(Buffer.from(der)), TAG.seq, 'PKIMessage'), 4)
  const protection = rest[0]?.tag === context(0) ? rest.shift() : undefined
  const extraCerts = rest[0]?.tag === context(1) ? rest.shift() : undefined
  if (rest.length > 0) throw malformed('a PKIMessage with something left over')
  const head = expect(header, TAG.seq, 'PKIHeader')
  if (!body || (body.tag & 0xe0) !== 0xa0) throw malformed('a PKIBody that is no choice')
  const number = body.tag & 0x1f
  return {
    header: readHeader(head),
    type: BODY_TYPES.get(number) ?? number,
    content: readTlv(body.value),
    protectedPart: seq(head.der, body.der),
    ...(protection ? { protection: readProtection(protection) } : {}),
    extraCerts: extraCerts ? readCertificates(readTlv(extraCerts.value)) : [],
  }
}

function readProtection(field: Tlv): Buffer {
  const { bytes, unused } = readBits(expect(readTlv(field.value), TAG.bits, 'protection'))
  if (unused > 0) throw malformed('a protection that is not whole octets')
  return bytes
}

const readCertificates = (list: Tlv): Buffer[] =>
  children(expect(list, TAG.seq, 'extraCerts'), MAX_CERTIFICATES).map(
    (each) => expect(each, TAG.seq, 'a certificate in extraCerts').der,
  )

function readHeader(header: Tlv): CmpHeader {
  const [pvno, sender, recipient, ...rest] = children(header, 12)
  if (!sender || !recipient) throw malformed('a PKIHeader without sender and recipient')
  const fields = optionalFields(rest)
  const octetsOf = (number: number) => {
    const field = fields.get(number)
    return field && readOctets(readTlv(field.value))
  }
  const [time, algorithm, info] = [fields.get(0), fields.get(1), fields.get(8)]
  const [senderKid, transactionId, senderNonce, recipNonce] = [octetsOf(2), octetsOf(4), octetsOf(5), octetsOf(6)]
  return {
    pvno: readSmallInteger(expect(pvno, TAG.integer, 'pvno')),
    sender: sender.der,
    ...(sender.tag === DIRECTORY_NAME ? { senderName: decodeName(sender.value) } : {}),
    ...(time ? { messageTime: readTime(expect(readTlv(time.value), TAG.generalizedTime, 'messageTime')) } : {}),
    ...(algorithm ? { protectionAlg: expect(readTlv(algorithm.value), TAG.seq, 'protectionAlg').der } : {}),
    ...(senderKid ? { senderKid } : {}),
    ...(transactionId ? { transactionId } : {}),
    ...(senderNonce ? { senderNonce } : {}),
    ...(recipNonce ? { recipNonce } : {}),
    generalInfo: info ? readInfo(readTlv(info.value)) : [],
  }
}

/** By their numbers, which ascend. */
function optionalFields(rest: readonly Tlv[]): Map<number, Tlv> {
  const out = new Map<number, Tlv>()
  let last = -1
  for (const field of rest) {
    const number = field.tag & 0x1f
    if (field.tag !== context(number) || number <= last || number > 8)
      throw malformed('a PKIHeader whose fields are not in order')
    out.set(number, field)
    last = number
  }
  return out
}

/** A SEQUENCE OF InfoTypeAndValue: generalInfo, and the content of genm. Throws PkiError('malformed'). */
export function readInfo(list: Tlv): CmpInfo[] {
  return children(expect(list, TAG.seq, 'a list of InfoTypeAndValue'), MAX_INFO).map((each) => {
    const [type, value, ...more] = children(expect(each, TAG.seq, 'InfoTypeAndValue'), 3)
    if (more.length > 0) throw malformed('an InfoTypeAndValue with something left over')
    return { oid: readOid(expect(type, TAG.oid, 'infoType')), ...(value ? { value } : {}) }
  })
}
