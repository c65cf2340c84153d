import { TAG } from './der.ts'

/** Where the one CertID and the nonce of a plain request stand: offsets into it, the end excluded. */
export interface PlainRequest {
  certId: { start: number; end: number }
  nonce?: { start: number; end: number }
}

/** Header of the nonce's Extension up to its extnValue: its identifier, 1.3.6.1.5.5.7.48.1.2. */
const NONCE = Buffer.from('06092b0601050507300102', 'hex')
const REQUEST_EXTENSIONS = 0xa2

/**
 * Finds the CertID in an OCSPRequest of the form that most clients send: one question, unsigned, without extensions but a nonce of 1 to 128
 * octets, at most 65,535 octets long. undefined for any other form and for whatever is not strict DER: parseOcspRequest decides about those.
 * What is inside the CertID is not looked at: whoever finds it among CertIDs that parseOcspRequest has taken knows that it is one.
 */
export function findPlainRequest(der: Buffer): PlainRequest | undefined {
  const { length } = der
  const tbs = open(der, 0, TAG.seq, length)
  if (tbs < 0) return undefined
  const list = open(der, tbs, TAG.seq, length)
  if (list < 0) return undefined
  const endOfList = endOf(der, list, TAG.seq)
  const request = enter(der, list, TAG.seq)
  if (request < 0 || endOfList > length || endOf(der, request, TAG.seq) !== endOfList) return undefined
  const start = enter(der, request, TAG.seq)
  if (start < 0 || endOf(der, start, TAG.seq) !== endOfList) return undefined
  const certId = { start, end: endOfList }
  if (endOfList === length) return { certId }
  const nonce = nonceIn(der, endOfList)
  return nonce && { certId, nonce }
}

function nonceIn(der: Buffer, at: number): PlainRequest['nonce'] {
  const { length } = der
  const extensions = open(der, at, REQUEST_EXTENSIONS, length)
  const extension = extensions < 0 ? -1 : open(der, extensions, TAG.seq, length)
  const fields = extension < 0 ? -1 : open(der, extension, TAG.seq, length)
  if (fields < 0) return undefined
  for (let octet = 0; octet < NONCE.length; octet++) if (der[fields + octet] !== NONCE[octet]) return undefined
  const value = open(der, fields + NONCE.length, TAG.octets, length)
  const start = value < 0 ? -1 : open(der, value, TAG.octets, length)
  if (start < 0 || start === length || length - start > 128) return undefined
  return { start, end: length }
}

/** Where the contents begin of a value that must end at `end`; -1: there is no such value. */
function open(der: Buffer, at: number, tag: number, end: number): number {
  return endOf(der, at, tag) === end ? enter(der, at, tag) : -1
}

/** Where the contents of a value begin; -1 for another tag, or a length that is not written as DER has it in one to three octets. */
function enter(der: Buffer, at: number, tag: number): number {
  if (der[at] !== tag) return -1
  const first = der[at + 1] ?? 0x80
  if (first < 0x80) return at + 2
  if (first === 0x81) return (der[at + 2] ?? 0) >= 0x80 ? at + 3 : -1
  return first === 0x82 && (der[at + 2] ?? 0) > 0 && at + 3 < der.length ? at + 4 : -1
}

/** Where the value ends; NaN where `enter` finds none. */
function endOf(der: Buffer, at: number, tag: number): number {
  const start = enter(der, at, tag)
  if (start < 0) return Number.NaN
  if (start === at + 2) return start + (der[at + 1] ?? 0)
  if (start === at + 3) return start + (der[at + 2] ?? 0)
  return start + (((der[at + 2] ?? 0) << 8) | (der[at + 3] ?? 0))
}
