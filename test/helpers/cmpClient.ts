import { createHash, createHmac, pbkdf2Sync, randomBytes, sign } from 'node:crypto'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { CMP_BODY, type CmpBodyType, type CmpMessage, readCmpMessage } from '../../src/pki/cmpMessage.ts'
import { cmpFailInfos } from '../../src/pki/cmpWriter.ts'
import {
  bits,
  children,
  context,
  explicit,
  generalizedTime,
  implicit,
  integer,
  nullValue,
  octets,
  oid,
  readBits,
  readOid,
  readSmallInteger,
  readString,
  readTlv,
  seq,
  TAG,
  type Tlv,
  tlv,
} from '../../src/pki/der.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { verifySignature } from '../../src/pki/signer.ts'
import { signatureAlgorithmOf } from './cmc.ts'
import type { Party } from './cms.ts'

// A client of CMP, written after RFC 9810: ours, and so no witness of its own. It can also say everything wrongly.

export interface MacWishes {
  reference: string
  secret: string
  owf?: string
  iterations?: number | bigint
  mac?: string
  pbmac1?: boolean
}

const HMACS: Record<string, string> = {
  [OID.hmacWithSHA1]: 'sha1',
  [OID.hmacWithSHA256]: 'sha256',
  [OID.hmacWithSHA512]: 'sha512',
}
const OWFS: Record<string, string> = { [OID.sha1]: 'sha1', [OID.sha256]: 'sha256', [OID.sha512]: 'sha512' }

/** PBMParameter, or PBMAC1-params, as an AlgorithmIdentifier. */
export function macAlgorithm({
  owf = OID.sha256,
  iterations = 500,
  mac = OID.hmacWithSHA256,
  pbmac1,
}: Partial<MacWishes>) {
  const salt = randomBytes(16)
  if (!pbmac1)
    return seq(
      oid(OID.passwordBasedMac),
      seq(octets(salt), seq(oid(owf), nullValue()), integer(iterations), seq(oid(mac), nullValue())),
    )
  const prf = seq(oid(mac), nullValue())
  return seq(
    oid(OID.pbmac1),
    seq(seq(oid(OID.pbkdf2), seq(octets(salt), integer(iterations), integer(32), prf)), seq(oid(mac), nullValue())),
  )
}

/** The MAC of octets by an algorithm and a secret: RFC 9810 section 5.1.3.1, RFC 8018 section 7.1. */
export function macOf(algorithm: Buffer, secret: string, input: Buffer): Buffer {
  const [id, parameters] = children(readTlv(algorithm))
  const fields = children(parameters as Tlv)
  const oidOf = (value: Tlv | undefined) => readOid(children(value as Tlv)[0] as Tlv)
  if (readOid(id as Tlv) === OID.passwordBasedMac) {
    const [salt, owf, count, mac] = fields
    const hash = OWFS[oidOf(owf)] ?? ''
    let key = createHash(hash)
      .update(secret)
      .update((salt as Tlv).value)
      .digest()
    for (let i = 1; i < readSmallInteger(count as Tlv); i++) key = createHash(hash).update(key).digest()
    return createHmac(HMACS[oidOf(mac)] ?? '', key)
      .update(input)
      .digest()
  }
  const [kdf, mac] = fields
  const [salt, count] = children(children(kdf as Tlv)[1] as Tlv)
  const hash = HMACS[oidOf(mac)] ?? ''
  const key = pbkdf2Sync(secret, (salt as Tlv).value, readSmallInteger(count as Tlv), 32, hash)
  return createHmac(hash, key).update(input).digest()
}

export interface CmpWishes {
  type: CmpBodyType | number
  /** What stands inside the tag. */
  content: Buffer
  /** By whom it is protected; absent: nobody. */
  mac?: MacWishes
  by?: Party
  pvno?: number
  transactionId?: Buffer | 'none'
  senderNonce?: Buffer | 'none'
  recipNonce?: Buffer
  senderKid?: Buffer | 'none'
  sender?: Buffer
  messageTime?: Date
  info?: Buffer[]
  extraCerts?: Buffer[]
  /** In place of what the protection is. */
  protection?: Buffer
  protectionAlg?: Buffer
}

export const info = (type: string, value?: Buffer): Buffer => seq(oid(type), ...(value ? [value] : []))
export const wantsNoConf = (): Buffer => info(OID.cmpImplicitConfirm, nullValue())
const named = (cn: string): Buffer => explicit(4, encodeName(nameOf({ CN: cn })))

/** A PKIMessage; what is not given is right. */
export function cmpMessage(wishes: CmpWishes): Buffer {
  const { by, mac, transactionId = randomBytes(16), senderNonce = randomBytes(16) } = wishes
  const algorithm = wishes.protectionAlg ?? (mac ? macAlgorithm(mac) : by ? signatureAlgorithmOf(by.key) : undefined)
  const bare = by && readBareCertificate(by.certificate)
  const kid = wishes.senderKid ?? (mac ? Buffer.from(mac.reference) : bare?.keyIdentifier)
  const field = (number: number, value: Buffer | 'none' | undefined) =>
    value === undefined || value === 'none' ? [] : [explicit(number, octets(value))]
  const header = seq(
    integer(wishes.pvno ?? 2),
    wishes.sender ?? (bare ? explicit(4, bare.subject) : named(mac?.reference ?? 'nobody')),
    named('the CA'),
    ...(wishes.messageTime ? [explicit(0, generalizedTime(wishes.messageTime))] : []),
    ...(algorithm ? [explicit(1, algorithm)] : []),
    ...field(2, kid),
    ...field(4, transactionId),
    ...field(5, senderNonce),
    ...field(6, wishes.recipNonce),
    ...(wishes.info ? [explicit(8, seq(...wishes.info))] : []),
  )
  const body = tlv(context(typeof wishes.type === 'number' ? wishes.type : CMP_BODY[wishes.type]), wishes.content)
  const part = seq(header, body)
  const made = mac && algorithm ? macOf(algorithm, mac.secret, part) : by ? sign('sha256', part, by.key) : undefined
  const protection = wishes.protection ?? made
  const extraCerts = wishes.extraCerts ?? (by ? [by.certificate] : [])
  return seq(
    header,
    body,
    ...(protection ? [explicit(0, bits(protection))] : []),
    ...(extraCerts.length > 0 ? [explicit(1, seq(...extraCerts))] : []),
  )
}

/** What a server answered, read. */
export interface CmpReply extends CmpMessage {
  /** By whom it is protected. */
  protectedBy: 'mac' | 'signature' | 'nobody'
  status?: 'accepted' | 'grantedWithMods' | 'rejection' | 'waiting'
  text?: string
  failInfo?: string
  certReqId?: number
  certificate?: Buffer
  caPubs: Buffer[]
  checkAfter?: number
  /** Of genp. */
  infos: { oid: string; value?: Tlv }[]
}

const STATUS = ['accepted', 'grantedWithMods', 'rejection', 'waiting'] as const
const FAIL = Object.fromEntries(Object.entries(cmpFailInfos).map(([name, bit]) => [bit, name]))

function readStatus(info: Tlv | undefined): Pick<CmpReply, 'status' | 'text' | 'failInfo'> {
  const [status, ...rest] = children(info as Tlv)
  const text = rest.find(({ tag }) => tag === TAG.seq)
  const fail = rest.find(({ tag }) => tag === TAG.bits)
  return {
    status: STATUS[readSmallInteger(status as Tlv)] ?? 'rejection',
    ...(text ? { text: readString(children(text)[0] as Tlv) } : {}),
    ...(fail ? { failInfo: FAIL[highest(readBits(fail).bytes)] ?? '?' } : {}),
  }
}

/** The number of the one bit that is set. */
function highest(bytes: Buffer): number {
  const at = bytes.findIndex((octet) => octet !== 0)
  return at * 8 + Math.clz32(bytes[at] ?? 0) - 24
}

/** Reads an answer, and checks its protection: by the secret that the question had, or by the first of extraCerts. */
export function readCmpReply(bytes: Buffer, secret?: string): CmpReply {
  const message = readCmpMessage(bytes)
  return { ...message, protectedBy: checkProtection(message, secret), caPubs: [], infos: [], ...readBody(message) }
}

function checkProtection({ header, protection, protectedPart, extraCerts }: CmpMessage, secret?: string) {
  if (!protection || !header.protectionAlg) return 'nobody'
  const [id] = children(readTlv(header.protectionAlg))
  if ([OID.passwordBasedMac, OID.pbmac1].some((each) => each === readOid(id as Tlv))) {
    if (!macOf(header.protectionAlg, secret ?? '', protectedPart).equals(protection)) throw new Error('a wrong MAC')
    return 'mac'
  }
  const { publicKey, subject } = readBareCertificate(extraCerts[0] ?? Buffer.alloc(0))
  if (!verifySignature(header.protectionAlg, publicKey, protectedPart, protection)) throw new Error('a wrong signature')
  if (!explicit(4, subject).equals(header.sender)) throw new Error('the sender is not who signed')
  return 'signature'
}

function readBody({ type, content }: CmpMessage): Partial<CmpReply> {
  switch (type) {
    case 'ip':
    case 'cp':
    case 'kup': {
      const parts = children(content)
      const caPubs = parts[0]?.tag === context(1) ? children(readTlv((parts.shift() as Tlv).value)) : []
      const [response] = children(parts[0] as Tlv)
      const [id, status, pair] = children(response as Tlv)
      const certificate = pair && readTlv((children(pair)[0] as Tlv).value).der
      const read = { certReqId: readSmallInteger(id as Tlv), caPubs: caPubs.map(({ der }) => der) }
      return { ...read, ...readStatus(status), ...(certificate ? { certificate } : {}) }
    }
    case 'rp':
      return readStatus(children(children(content)[0] as Tlv)[0])
    case 'error':
      return readStatus(children(content)[0])
    case 'pollRep': {
      const [id, after, text] = children(children(content)[0] as Tlv)
      const said = readString(children(text as Tlv)[0] as Tlv)
      return { certReqId: readSmallInteger(id as Tlv), checkAfter: readSmallInteger(after as Tlv), text: said }
    }
    case 'genp':
      return {
        infos: children(content).map((each) => {
          const [id, value] = children(each)
          return { oid: readOid(id as Tlv), ...(value ? { value } : {}) }
        }),
      }
    default:
      return {}
  }
}

/** CertConfirmContent about one certificate. */
export function certConf(
  certificate: Buffer,
  {
    id = 0,
    hash = 'sha256',
    hashAlg,
    rejects,
  }: { id?: number; hash?: string; hashAlg?: Buffer; rejects?: string } = {},
): Buffer {
  const status = rejects === undefined ? [] : [seq(integer(2), seq(tlv(TAG.utf8, Buffer.from(rejects))))]
  const digest = octets(createHash(hash).update(certificate).digest())
  return seq(seq(digest, integer(id), ...status, ...(hashAlg ? [explicit(0, hashAlg)] : [])))
}

export const pollReq = (id = 0): Buffer => seq(seq(integer(id)))

/** RevReqContent about one certificate. */
export function revReq(certificate: Buffer, reason?: number): Buffer {
  const { issuer, serial } = readBareCertificate(certificate)
  const details =
    reason === undefined ? [] : [seq(seq(oid(OID.reasonCode), octets(tlv(TAG.enumerated, Buffer.of(reason)))))]
  return seq(seq(seq(implicit(1, serial), explicit(3, issuer)), ...details))
}

/** The control oldCertId. */
export function oldCertId(certificate: Buffer): Buffer {
  const { issuer, serial } = readBareCertificate(certificate)
  return seq(oid(OID.oldCertId), seq(explicit(4, issuer), tlv(TAG.integer, serial)))
}
