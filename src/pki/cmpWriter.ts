import { CMP_BODY, type CmpBodyType } from './cmpMessage.ts'
import { bits, context, explicit, generalizedTime, integer, nullValue, octets, oid, seq, tlv, utf8 } from './der.ts'
import { OID } from './oid.ts'

// Writers of what an authority answers in CMP: RFC 9810 sections 5.1 to 5.3. Tags are EXPLICIT in its module.

/** The bits of PKIFailureInfo (section 5.2.3) that are used here. */
export const cmpFailInfos = {
  badAlg: 0,
  badMessageCheck: 1,
  badRequest: 2,
  badTime: 3,
  badCertId: 4,
  badDataFormat: 5,
  wrongAuthority: 6,
  badPOP: 9,
  certRevoked: 10,
  certConfirmed: 11,
  wrongIntegrity: 12,
  badRecipientNonce: 13,
  badSenderNonce: 18,
  badCertTemplate: 19,
  signerNotTrusted: 20,
  transactionIdInUse: 21,
  unsupportedVersion: 22,
  notAuthorized: 23,
  systemUnavail: 24,
  systemFailure: 25,
} as const
export type CmpFailInfo = keyof typeof cmpFailInfos

/** PKIStatus (section 5.2.3). */
export const cmpStatuses = { accepted: 0, grantedWithMods: 1, rejection: 2, waiting: 3 } as const

/** PKIStatusInfo: `text` for people. */
export interface CmpStatusInfo {
  status: keyof typeof cmpStatuses
  text?: string
  failInfo?: CmpFailInfo
}

/** DER PKIStatusInfo. */
export function writeStatusInfo({ status, text, failInfo }: CmpStatusInfo): Buffer {
  return seq(
    integer(cmpStatuses[status]),
    ...(text === undefined ? [] : [seq(utf8(text))]),
    ...(failInfo === undefined ? [] : [failureBits(cmpFailInfos[failInfo])]),
  )
}

/** A named bit string with one bit (X.690 section 11.2.2). */
function failureBits(bit: number): Buffer {
  const value = Buffer.alloc((bit >> 3) + 1)
  value[bit >> 3] = 0x80 >> (bit & 7)
  return bits(value, 7 - (bit & 7))
}

/** The header of an answer. `sender` and `recipient`: DER of GeneralNames. */
export interface CmpHeaderDraft {
  pvno: number
  sender: Buffer
  recipient: Buffer
  messageTime: Date
  /** DER AlgorithmIdentifier; absent: the message is not protected. */
  protectionAlg?: Buffer
  senderKid?: Buffer
  transactionId?: Buffer
  senderNonce: Buffer
  recipNonce?: Buffer
  /** Ready InfoTypeAndValue. */
  generalInfo: readonly Buffer[]
}

/** DER PKIHeader. */
export function writeCmpHeader(draft: CmpHeaderDraft): Buffer {
  const field = (number: number, value: Buffer | undefined) => (value ? [explicit(number, octets(value))] : [])
  return seq(
    integer(draft.pvno),
    draft.sender,
    draft.recipient,
    explicit(0, generalizedTime(draft.messageTime)),
    ...(draft.protectionAlg ? [explicit(1, draft.protectionAlg)] : []),
    ...field(2, draft.senderKid),
    ...field(4, draft.transactionId),
    ...field(5, draft.senderNonce),
    ...field(6, draft.recipNonce),
    ...(draft.generalInfo.length > 0 ? [explicit(8, seq(...draft.generalInfo))] : []),
  )
}

/** What is signed or MACed of a message (section 5.1.3). */
export const protectedPart = (header: Buffer, body: Buffer): Buffer => seq(header, body)

/** DER PKIMessage of ready parts; `protection`: contents of the BIT STRING. */
export function writeCmpMessage(
  { header, body }: { header: Buffer; body: Buffer },
  protection: Buffer | undefined,
  extraCerts: readonly Buffer[],
): Buffer {
  return seq(
    header,
    body,
    ...(protection ? [explicit(0, bits(protection))] : []),
    ...(extraCerts.length > 0 ? [explicit(1, seq(...extraCerts))] : []),
  )
}

/** GeneralName of a DER Name: directoryName. */
export const directoryName = (name: Buffer): Buffer => explicit(4, name)

/** InfoTypeAndValue. */
export const writeInfo = (type: string, value?: Buffer): Buffer => seq(oid(type), ...(value ? [value] : []))

/** The request not to send a certConf, granted (section 5.1.1.1). */
export const implicitConfirm = (): Buffer => writeInfo(OID.cmpImplicitConfirm, nullValue())

/** Until when a certConf is waited for (section 5.1.1.2). */
export const confirmWaitTime = (until: Date): Buffer => writeInfo(OID.cmpConfirmWaitTime, generalizedTime(until))

const body = (type: CmpBodyType, content: Buffer): Buffer => tlv(context(CMP_BODY[type]), content)

/** What became of one request for a certificate. */
export interface CertResponse {
  certReqId: bigint
  info: CmpStatusInfo
  /** DER. */
  certificate?: Buffer
  /** Trust anchors, DER. */
  caPubs?: readonly Buffer[]
}

/** ip, cp or kup with one CertResponse (section 5.3.4). */
export function certRepBody(
  type: 'ip' | 'cp' | 'kup',
  { certReqId, info, certificate, caPubs = [] }: CertResponse,
): Buffer {
  const pair = certificate ? [seq(explicit(0, certificate))] : []
  const response = seq(integer(certReqId), writeStatusInfo(info), ...pair)
  return body(type, seq(...(caPubs.length > 0 ? [explicit(1, seq(...caPubs))] : []), seq(response)))
}

/** rp with one status (section 5.3.10). */
export const rpBody = (info: CmpStatusInfo): Buffer => body('rp', seq(seq(writeStatusInfo(info))))

/** pollRep: ask again after so many seconds (section 5.3.22). */
export const pollRepBody = (certReqId: bigint, checkAfter: number, reason: string): Buffer =>
  body('pollRep', seq(seq(integer(certReqId), integer(checkAfter), seq(utf8(reason)))))

/** genp with ready InfoTypeAndValue (section 5.3.20). */
export const genpBody = (infos: readonly Buffer[]): Buffer => body('genp', seq(...infos))

/** pkiconf (section 5.3.17). */
export const pkiConfBody = (): Buffer => body('pkiconf', nullValue())

/** error (section 5.3.21). */
export const errorBody = (info: CmpStatusInfo): Buffer => body('error', seq(writeStatusInfo(info)))
