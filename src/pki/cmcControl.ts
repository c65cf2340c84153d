import { readIssuerAndSerial } from './certificateIdentifier.ts'
import {
  children,
  expect,
  readBool,
  readInteger,
  readOctets,
  readOid,
  readSmallInteger,
  readString,
  readTime,
  TAG,
  type Tlv,
} from './der.ts'
import { type Digest, readDigest } from './digest.ts'
import { malformed, unsupported } from './error.ts'
import { decodeName, type Name } from './name.ts'
import { OID } from './oid.ts'
import { readBodyPartId, type TaggedAttribute } from './pkiData.ts'
import { type RevocationReason, reasonName } from './reason.ts'

// The values of the controls of CMC that are served, RFC 10002 section 6. All throw PkiError('malformed').

const MAX_PARTS = 256
const MAX_TEXT = 1024

/** The one value of a control. */
export function singleValue({ oid, values }: Pick<TaggedAttribute, 'oid' | 'values'>): Tlv {
  const [value, ...more] = values
  if (!value || more.length > 0) throw malformed(`control ${oid} must have one value`)
  return value
}

/** OCTET STRING of 1 to `max` octets: nonces, tokens, data to return. */
export function readOctetControl(control: TaggedAttribute, max: number): Buffer {
  const octets = readOctets(singleValue(control))
  if (octets.length === 0 || octets.length > max) throw malformed(`control ${control.oid} has 1 to ${max} octets`)
  return octets
}

/** UTF8String of 1 to 1024 octets. */
export function readTextControl(control: TaggedAttribute): string {
  return readText(singleValue(control))
}

function readText(value: Tlv): string {
  const { length } = expect(value, TAG.utf8, 'a text').value
  if (length === 0 || length > MAX_TEXT) throw malformed(`a text has 1 to ${MAX_TEXT} octets`)
  return readString(value)
}

/** A MAC by a key from a shared secret: IdentityProofV2 (section 6.2.1) and PopLinkWitnessV2 (6.3.1.1). */
export interface Witness {
  /** Makes the key of the secret. */
  digest: Sha2
  mac: Sha2
  value: Buffer
}
export type Sha2 = Extract<Digest, 'sha256' | 'sha384' | 'sha512'>

const MACS = new Map<string, Sha2>([
  [OID.hmacWithSHA256, 'sha256'],
  [OID.hmacWithSHA384, 'sha384'],
  [OID.hmacWithSHA512, 'sha512'],
])

/** Throws PkiError('unsupported') for algorithms outside SHA-2. */
export function readWitness(value: Tlv): Witness {
  const [keyed, mac, witness, ...rest] = children(expect(value, TAG.seq, 'a witness'), 4)
  if (rest.length > 0) throw malformed('a witness with something left over')
  const digest = readDigest(keyed)
  if (digest === 'sha1' || digest === 'sha224')
    throw unsupported(`keys from a shared secret are made by SHA-256 or better`)
  const [id] = children(expect(mac, TAG.seq, 'MAC algorithm'), 2)
  const known = MACS.get(readOid(expect(id, TAG.oid, 'MAC algorithm')))
  if (!known) throw unsupported('a MAC is made by HMAC with SHA-256 or better')
  return { digest, mac: known, value: readOctets(expect(witness, TAG.octets, 'witness')) }
}

/** RevokeRequest, section 6.11. */
export interface RevokeControl {
  issuer: Name
  /** Lower-case hex, without a leading 00. */
  serial: string
  reason: RevocationReason
  invalidityDate?: Date
  sharedSecret?: Buffer
  comment?: string
}

export function readRevokeControl(control: TaggedAttribute): RevokeControl {
  const [issuer, serial, reason, ...rest] = children(expect(singleValue(control), TAG.seq, 'RevokeRequest'), 6)
  const code = reasonName(readSmallInteger(expect(reason, TAG.enumerated, 'reason'), TAG.enumerated))
  if (!code) throw malformed('a reason that RFC 5280 section 5.3.1 does not have')
  const date = rest[0]?.tag === TAG.generalizedTime ? rest.shift() : undefined
  const secret = rest[0]?.tag === TAG.octets ? rest.shift() : undefined
  const comment = rest[0]?.tag === TAG.utf8 ? rest.shift() : undefined
  if (rest.length > 0) throw malformed('a RevokeRequest with something left over')
  return {
    issuer: decodeName(expect(issuer, TAG.seq, 'issuerName')),
    serial: serialHex(expect(serial, TAG.integer, 'serialNumber').value),
    reason: code,
    ...(date ? { invalidityDate: readTime(date) } : {}),
    ...(secret ? { sharedSecret: secret.value } : {}),
    ...(comment ? { comment: readText(comment) } : {}),
  }
}

/** As certificates have it here: without the octet that only says that the number is positive. */
function serialHex(serial: Buffer): string {
  return serial[0] === 0 && serial.length > 1 ? serial.subarray(1).toString('hex') : serial.toString('hex')
}

/** CMCCertId, section 6.14. */
export function readCertIdControl(control: TaggedAttribute): { issuer: Name; serial: string } {
  const { issuer, serial } = readIssuerAndSerial(singleValue(control))
  return { issuer: decodeName(issuer), serial: serialHex(serial) }
}

/** BodyPartList and BodyPartPath: at least one. */
export function readBodyParts(list: Tlv | undefined): number[] {
  const ids = children(expect(list, TAG.seq, 'BodyPartList'), MAX_PARTS).map(readBodyPartId)
  if (ids.length === 0) throw malformed('a list of body parts that is empty')
  return ids
}

/** LraPopWitness, section 6.8. `message`: of the nested request, 0 for this one. */
export function readPopWitnessControl(control: TaggedAttribute): { message: number; bodyParts: number[] } {
  const [message, ids, ...rest] = children(expect(singleValue(control), TAG.seq, 'LraPopWitness'), 3)
  if (rest.length > 0) throw malformed('an LraPopWitness with something left over')
  return { message: readBodyPartId(message), bodyParts: readBodyParts(ids) }
}

/** ControlsProcessed, section 6.19: paths to controls. */
export function readProcessedControl(control: TaggedAttribute): number[][] {
  const [list, ...rest] = children(expect(singleValue(control), TAG.seq, 'ControlsProcessed'), 2)
  if (rest.length > 0) throw malformed('a ControlsProcessed with something left over')
  return children(expect(list, TAG.seq, 'bodyList'), MAX_PARTS).map((reference) =>
    reference.tag === TAG.seq ? readBodyParts(reference) : [readBodyPartId(reference)],
  )
}

/** ModCertTemplate, section 6.5.1; the template is not read. */
export interface ModifyControl {
  path: number[]
  requests: number[]
  replace: boolean
  template: Tlv
}

export function readModifyControl(control: TaggedAttribute): ModifyControl {
  const [path, requests, ...rest] = children(expect(singleValue(control), TAG.seq, 'ModCertTemplate'), 4)
  const replace = rest[0]?.tag === TAG.boolean ? rest.shift() : undefined
  const [template, ...more] = rest
  if (more.length > 0) throw malformed('a ModCertTemplate with something left over')
  return {
    path: readBodyParts(path),
    requests: readBodyParts(requests),
    replace: replace ? readBool(replace) : true,
    template: expect(template, TAG.seq, 'certTemplate'),
  }
}

const MAX_TRANSACTION_OCTETS = 64

/** TransactionId, section 6.6: its DER, which is given back as it came. */
export function readTransactionId(control: TaggedAttribute): Buffer {
  const value = singleValue(control)
  readInteger(value)
  if (value.value.length > MAX_TRANSACTION_OCTETS)
    throw malformed(`a transactionId has at most ${MAX_TRANSACTION_OCTETS} octets`)
  return value.der
}
