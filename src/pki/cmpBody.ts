import {
  children,
  context,
  expect,
  readInteger,
  readSmallInteger,
  readString,
  readTime,
  readTlv,
  TAG,
  type Tlv,
} from './der.ts'
import { type Digest, readDigest } from './digest.ts'
import { malformed } from './error.ts'
import { readExtensions } from './extensions.ts'
import { decodeName, type Name } from './name.ts'
import { OID } from './oid.ts'
import { type RevocationReason, reasonName } from './reason.ts'
import { readSerial } from './serial.ts'

// What stands in the bodies of CMP that clients send: RFC 9810 section 5.3. All throw PkiError('malformed').

const MAX_PARTS = 64

/** The members of CertReqMessages, as DER (section 5.3.1; crmf.ts reads each). */
export function readCertReqMessages(content: Tlv): Buffer[] {
  const messages = children(expect(content, TAG.seq, 'CertReqMessages'), MAX_PARTS)
  if (messages.length === 0) throw malformed('CertReqMessages without a request')
  return messages.map((message) => expect(message, TAG.seq, 'CertReqMsg').der)
}

/** certReqId of a CertReqMsg that may be wrong in all else; undefined where even that cannot be read. */
export function certReqIdOf(message: Buffer): bigint | undefined {
  try {
    const [certReq] = children(readTlv(message), 3)
    const [id] = children(expect(certReq, TAG.seq, 'CertRequest'), 4)
    return readInteger(expect(id, TAG.integer, 'certReqId'))
  } catch {
    return undefined
  }
}

/** CertStatus (section 5.3.18). */
export interface CertStatus {
  certHash: Buffer
  certReqId: bigint
  accepted: boolean
  /** statusString of a certificate that is not accepted. */
  text?: string
  /** Absent: the one of the certificate's signature. */
  hashAlg?: Digest
}

const [ACCEPTED, GRANTED_WITH_MODS] = [0, 1]

/** CertConfirmContent; empty: all certificates are rejected. Throws also PkiError('unsupported') for an unknown hash. */
export function readCertConfirm(content: Tlv): CertStatus[] {
  return children(expect(content, TAG.seq, 'CertConfirmContent'), MAX_PARTS).map((each) => {
    const [hash, id, ...rest] = children(expect(each, TAG.seq, 'CertStatus'), 4)
    const info = rest[0]?.tag === TAG.seq ? rest.shift() : undefined
    const algorithm = rest[0]?.tag === context(0) ? rest.shift() : undefined
    if (rest.length > 0) throw malformed('a CertStatus with something left over')
    const { status, text } = info ? readStatusInfo(info) : { status: ACCEPTED }
    return {
      certHash: expect(hash, TAG.octets, 'certHash').value,
      certReqId: readInteger(expect(id, TAG.integer, 'certReqId')),
      accepted: status === ACCEPTED || status === GRANTED_WITH_MODS,
      ...(text === undefined ? {} : { text }),
      ...(algorithm ? { hashAlg: readDigest(readTlv(algorithm.value)) } : {}),
    }
  })
}

function readStatusInfo(info: Tlv): { status: number; text?: string } {
  const [status, strings] = children(info, 3)
  const number = readSmallInteger(expect(status, TAG.integer, 'PKIStatus'))
  if (strings?.tag !== TAG.seq) return { status: number }
  return {
    status: number,
    text: children(strings, MAX_PARTS)
      .map((each) => readString(each))
      .join(' '),
  }
}

/** The certReqIds of PollReqContent (section 5.3.22). */
export function readPollRequest(content: Tlv): bigint[] {
  return children(expect(content, TAG.seq, 'PollReqContent'), MAX_PARTS).map((each) => {
    const [id, ...rest] = children(expect(each, TAG.seq, 'PollReqContent'), 2)
    if (rest.length > 0) throw malformed('a PollReqContent with something left over')
    return readInteger(expect(id, TAG.integer, 'certReqId'))
  })
}

/** RevDetails (section 5.3.9): which certificate, and why. */
export interface RevocationDetails {
  issuer: Name
  /** Lower-case hex, without a leading 00. */
  serial: string
  reason?: RevocationReason
  invalidityDate?: Date
}

/** RevReqContent. Fields of the template beside issuer and serialNumber are not looked at. */
export function readRevocationRequest(content: Tlv): RevocationDetails[] {
  return children(expect(content, TAG.seq, 'RevReqContent'), MAX_PARTS).map((each) => {
    const [template, details, ...rest] = children(expect(each, TAG.seq, 'RevDetails'), 3)
    if (rest.length > 0) throw malformed('RevDetails with something left over')
    const fields = children(expect(template, TAG.seq, 'certDetails'), 10)
    const serial = fields.find(({ tag }) => tag === context(1, false))
    const issuer = fields.find(({ tag }) => tag === context(3))
    if (!serial || !issuer) throw malformed('certDetails without the issuer and the serialNumber of a certificate')
    return {
      issuer: decodeName(issuer.value),
      serial: readSerial({ ...serial, tag: TAG.integer }),
      ...(details ? readEntryDetails(expect(details, TAG.seq, 'crlEntryDetails')) : {}),
    }
  })
}

function readEntryDetails(details: Tlv): Pick<RevocationDetails, 'reason' | 'invalidityDate'> {
  const out: Pick<RevocationDetails, 'reason' | 'invalidityDate'> = {}
  for (const { oid, value, critical } of readExtensions(details)) {
    if (oid === OID.reasonCode) {
      const reason = reasonName(readSmallInteger(readTlv(value), TAG.enumerated))
      if (!reason) throw malformed('a reason that RFC 5280 section 5.3.1 does not have')
      out.reason = reason
    } else if (oid === OID.invalidityDate) out.invalidityDate = readTime(readTlv(value))
    else if (critical) throw malformed(`an unknown critical extension in crlEntryDetails: ${oid}`)
  }
  return out
}

/** CertId: the value of the control oldCertId (RFC 4211 section 6.5). Throws also for an issuer that is no directoryName. */
export function readCertId(value: Tlv): { issuer: Name; serial: string } {
  const [issuer, serial, ...rest] = children(expect(value, TAG.seq, 'CertId'), 3)
  if (rest.length > 0) throw malformed('a CertId with something left over')
  return {
    issuer: decodeName(expect(issuer, context(4), 'issuer of a CertId').value),
    serial: readSerial(expect(serial, TAG.integer, 'serialNumber of a CertId')),
  }
}

/** CertProfileValue (section 5.1.1.4): the one name that a message with one request may have; undefined where it is empty. */
export function readCertProfile(value: Tlv | undefined): string | undefined {
  const [name, ...more] = children(expect(value, TAG.seq, 'certProfile'), MAX_PARTS)
  if (!name || more.length > 0) throw malformed('a certProfile that does not have one name')
  return readString(expect(name, TAG.utf8, 'name of a certProfile')) || undefined
}

/** Which CRL a CRLStatus asks for (section 5.3.19.17): by the names of its distribution point, or of its issuer. */
export interface CrlWish {
  /** GeneralNames as they stand there. */
  point?: Tlv[]
  issuer?: Tlv[]
  /** Of the newest CRL that the client has. */
  thisUpdate?: Date
}

/** CRLStatusListValue, of which one member is served. */
export function readCrlStatusList(value: Tlv | undefined): CrlWish {
  const [status, ...more] = children(expect(value, TAG.seq, 'crlStatusList'), MAX_PARTS)
  if (more.length > 0) throw malformed('a crlStatusList that asks for more than one CRL')
  const [source, time, ...rest] = children(expect(status, TAG.seq, 'CRLStatus'), 3)
  if (rest.length > 0) throw malformed('a CRLStatus with something left over')
  return { ...readCrlSource(source), ...(time ? { thisUpdate: readTime(time) } : {}) }
}

function readCrlSource(source: Tlv | undefined): Pick<CrlWish, 'point' | 'issuer'> {
  const inner = source && readTlv(source.value)
  if (source?.tag === context(0) && inner?.tag === context(0)) return { point: children(inner, MAX_PARTS) }
  if (source?.tag === context(1) && inner?.tag === TAG.seq) return { issuer: children(inner, MAX_PARTS) }
  throw malformed('a CRLSource that is neither the full name of a distribution point nor an issuer')
}
