import { alternativeNames, branded, type Csr, type CsrAttribute, type CsrFields, readKeptCsr } from './csr.ts'
import {
  children,
  context,
  expect,
  readBits,
  readInteger,
  readOid,
  readSmallInteger,
  readTime,
  readTlv,
  TAG,
  type Tlv,
  tlv,
} from './der.ts'
import { malformed, PkiError, unsupported } from './error.ts'
import { type Extension, readExtensions } from './extensions.ts'
import { decodeName, type Name } from './name.ts'
import { OID } from './oid.ts'
import { readPublicKey } from './publicKey.ts'
import { schemeOf } from './signatureAlgorithm.ts'
import { verifySignature } from './signer.ts'

// CRMF (RFC 4211), as CMC narrows it (RFC 10002 section 3.2.1.2.2): subject and publicKey are there, regInfo is not.

/** How a CertReqMsg says that its key is in the hands of who asks; the last three are proved by messages to come, by others, or not at all. */
export type Possession = 'signature' | 'raVerified' | 'keyEncipherment' | 'keyAgreement' | 'absent'

/** One CertReqMsg as it claims to be. */
export interface CertReqMsg {
  /** certReqId: the body part identifier in CMC. */
  id: bigint
  possession: Possession
  /** What is asked beside what a Csr holds. */
  issuer?: Name
  notBefore?: Date
  notAfter?: Date
  /** What verifyCertReqMsg and attestCertReqMsg look at. */
  claimed: Omit<CsrFields, 'signatureAlgorithm'>
  certReq: Buffer
  proof: Tlv | undefined
}

const MAX_CONTROLS = 64

const POSSESSION = new Map<number, Possession>([
  [context(0, false), 'raVerified'],
  [context(1), 'signature'],
  [context(2), 'keyEncipherment'],
  [context(3), 'keyAgreement'],
])

/**
 * Reads a DER CertReqMsg. The bytes are copied first, so the result does not change with them. Its proof of possession is not looked at: see
 * verifyCertReqMsg. The controls become the attributes of the Csr. Throws PkiError: `malformed`; `unsupported` for a kind of key that is not served.
 */
export function readCertReqMsg(der: Buffer): CertReqMsg {
  const message = readTlv(Buffer.from(der))
  const [certReq, ...rest] = children(expect(message, TAG.seq, 'CertReqMsg'), 3)
  const proof = rest[0]?.tag === TAG.seq ? undefined : rest.shift()
  if (rest.length > 0) throw malformed('a CertReqMsg with regInfo, which CMC does not use')
  const possession = proof ? POSSESSION.get(proof.tag) : 'absent'
  if (!possession) throw malformed('a ProofOfPossession of an unknown kind')
  const [id, template, controls, ...more] = children(expect(certReq, TAG.seq, 'CertRequest'), 4)
  if (more.length > 0) throw malformed('a CertRequest with something left over')
  const { claimed, ...asked } = readTemplate(expect(template, TAG.seq, 'CertTemplate'))
  return {
    id: readInteger(expect(id, TAG.integer, 'certReqId')),
    possession,
    ...asked,
    claimed: { ...claimed, der: message.der, attributes: readControls(controls) },
    certReq: expect(certReq, TAG.seq, 'CertRequest').der,
    proof,
  }
}

type Template = Pick<CertReqMsg, 'issuer' | 'notBefore' | 'notAfter'> & {
  claimed: Omit<CsrFields, 'signatureAlgorithm' | 'der' | 'attributes'>
}

/** What an authority decides alone (RFC 4211 section 5). */
const OMITTED = new Map([
  [1, 'serialNumber'],
  [2, 'signingAlg'],
  [7, 'issuerUID'],
  [8, 'subjectUID'],
])
const NUMBERS = new Map(
  Array.from({ length: 10 }, (_, n) => [[context(n), n] as const, [context(n, false), n] as const]).flat(),
)

function readTemplate(template: Tlv): Template {
  const fields = templateFields(template)
  const [version, issuer, validity] = [fields.get(0), fields.get(3), fields.get(4)]
  if (version && readSmallInteger(version, context(0, false)) !== 2)
    throw malformed('a CertTemplate of a version other than 2')
  const subject = expect(fields.get(5), context(5), 'subject of the CertTemplate')
  const publicKey = expect(fields.get(6), context(6), 'publicKey of the CertTemplate')
  const wanted = fields.get(9)
  const extensions = wanted ? readUnique(expect(wanted, context(9), 'extensions of the CertTemplate')) : []
  return {
    ...(issuer ? { issuer: decodeName(expect(issuer, context(3), 'issuer').value) } : {}),
    ...(validity ? readValidity(expect(validity, context(4), 'validity')) : {}),
    claimed: {
      publicKey: readPublicKey(tlv(TAG.seq, publicKey.value)),
      subject: decodeName(subject.value),
      ...alternativeNames(extensions),
      extensions,
    },
  }
}

/** By their numbers, which ascend. */
function templateFields(template: Tlv): Map<number, Tlv> {
  const out = new Map<number, Tlv>()
  let last = -1
  for (const field of children(template, NUMBERS.size)) {
    const number = NUMBERS.get(field.tag)
    if (number === undefined || number <= last) throw malformed('a CertTemplate whose fields are not in order')
    const omitted = OMITTED.get(number)
    if (omitted) throw malformed(`a CertTemplate with ${omitted}, which the authority decides`)
    out.set(number, field)
    last = number
  }
  return out
}

function readUnique(field: Tlv): Extension[] {
  const seen = new Set<string>()
  return readExtensions({ ...field, tag: TAG.seq }).map((extension) => {
    if (seen.has(extension.oid)) throw malformed(`extension ${extension.oid} comes twice`)
    seen.add(extension.oid)
    return extension
  })
}

function readValidity(field: Tlv): Pick<CertReqMsg, 'notBefore' | 'notAfter'> {
  const times = children(field, 2)
  const notBefore = times[0]?.tag === context(0) ? times.shift() : undefined
  const notAfter = times[0]?.tag === context(1) ? times.shift() : undefined
  if (times.length > 0 || (!notBefore && !notAfter)) throw malformed('a validity that is no OptionalValidity')
  return {
    ...(notBefore ? { notBefore: readTime(readTlv(notBefore.value)) } : {}),
    ...(notAfter ? { notAfter: readTime(readTlv(notAfter.value)) } : {}),
  }
}

/** Controls as attributes of one value each: those of CMC stand in either (RFC 10002 sections 6.3.1.1, 7.1). */
function readControls(controls: Tlv | undefined): CsrAttribute[] {
  if (!controls) return []
  const seen = new Set<string>()
  return children(expect(controls, TAG.seq, 'controls'), MAX_CONTROLS).map((control) => {
    const [type, value, ...rest] = children(expect(control, TAG.seq, 'control'), 3)
    const oid = readOid(expect(type, TAG.oid, 'type of a control'))
    if (!value || rest.length > 0) throw malformed('a control that is not a type and a value')
    if (seen.has(oid)) throw malformed(`control ${oid} comes twice`)
    seen.add(oid)
    return { oid, values: [value] }
  })
}

/**
 * The request, once its POPOSigningKey is found good: a signature over the CertRequest by the key in it (RFC 4211 section 4.1, the third case; the others are
 * not for CMC). Throws PkiError: `badSignature`; `unsupported` for another proof than a signature, or its algorithm; `malformed`.
 */
export function verifyCertReqMsg(message: CertReqMsg): Csr {
  const { claimed, certReq, proof, possession } = message
  if (!proof || possession !== 'signature') throw unsupported('a key whose possession no signature proves')
  const [algorithm, signature, ...rest] = children(proof, 3)
  if (algorithm?.tag === context(0))
    throw malformed('a POPOSigningKeyInput, which is not used beside a subject and a key')
  if (rest.length > 0) throw malformed('a POPOSigningKey with something left over')
  const identifier = expect(algorithm, TAG.seq, 'algorithm of the proof of possession')
  const { bytes, unused } = readBits(expect(signature, TAG.bits, 'signature of the proof of possession'))
  if (unused > 0) throw malformed('a signature that is not whole octets')
  if (!verifySignature(identifier.der, claimed.publicKey, certReq, bytes))
    throw new PkiError('badSignature', 'the CertRequest is not signed by the key in it')
  return branded({ ...claimed, signatureAlgorithm: schemeOf(identifier.der).name })
}

/** The request on the word of an RA that it has seen possession proved (`raVerified`): whoever calls has made sure that it is one. */
export const attestCertReqMsg = ({ claimed }: CertReqMsg): Csr =>
  branded({ ...claimed, signatureAlgorithm: 'raVerified' })

/** Whether these bytes, a request that was accepted once, are a CertReqMsg and no PKCS #10. Throws PkiError('malformed'). */
export function isCertReqMsg(der: Buffer): boolean {
  const [, second] = children(readTlv(der), 3)
  return second?.tag !== TAG.seq
}

/** Reads a request, PKCS #10 or CertReqMsg, that was accepted before it was kept: its proof is not looked at again. Throws PkiError('malformed'). */
export function readKeptRequest(der: Buffer): Csr {
  if (!isCertReqMsg(der)) return readKeptCsr(der)
  const message = readCertReqMsg(der)
  if (!message.proof || message.possession !== 'signature') return attestCertReqMsg(message)
  const [algorithm] = children(message.proof, 3)
  const identifier = expect(algorithm, TAG.seq, 'algorithm of the proof of possession')
  return branded({ ...message.claimed, signatureAlgorithm: schemeOf(identifier.der).name })
}

/** What a CertTemplate says where an RA changes a request by it (RFC 10002 section 6.5.1). */
export interface TemplateChange extends Partial<Pick<Csr, 'identifiers' | 'otherNames'>> {
  subject?: Name
  notBefore?: Date
  notAfter?: Date
  /** Of fields and extensions beside these, which are not changed here: names or dotted OIDs. */
  others: string[]
}

/** Reads such a template: each field may be absent. Throws PkiError('malformed'). */
export function readTemplateChange(template: Tlv): TemplateChange {
  const fields = templateFields(template)
  const [validity, subject, wanted] = [fields.get(4), fields.get(5), fields.get(9)]
  const extensions = wanted ? readUnique(expect(wanted, context(9), 'extensions of the CertTemplate')) : []
  const named = extensions.some(({ oid }) => oid === OID.subjectAltName)
  const others = extensions.flatMap(({ oid }) => (oid === OID.subjectAltName ? [] : [oid]))
  if (fields.has(0)) others.push('version')
  if (fields.has(3)) others.push('issuer')
  if (fields.has(6)) others.push('publicKey')
  return {
    ...(subject ? { subject: decodeName(expect(subject, context(5), 'subject of the CertTemplate').value) } : {}),
    ...(validity ? readValidity(expect(validity, context(4), 'validity')) : {}),
    ...(named ? alternativeNames(extensions) : {}),
    others,
  }
}
