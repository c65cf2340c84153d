import { createHash, createHmac, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import {
  bits,
  children,
  context,
  explicit,
  implicit,
  integer,
  nullValue,
  octets,
  oid,
  readOctets,
  readOid,
  readSmallInteger,
  readString,
  readTime,
  readTlv,
  seq,
  set,
  setOf,
  TAG,
  type Tlv,
  tlv,
  utf8,
} from '../../src/pki/der.ts'
import { encodeGeneralNames, type Identifier } from '../../src/pki/identifier.ts'
import { encodeName, type Name, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { type CmcFailInfo, type CmcStatus, cmcFailInfos, cmcStatuses } from '../../src/pki/pkiResponse.ts'
import { readSignedParts, type SignedParts } from '../../src/pki/signedData.ts'
import { verifySignerInfo } from '../../src/pki/signerInfo.ts'
import { ecKey, extension } from './csrs.ts'

// A client of CMC and CRMF, written after RFC 10002 and RFC 4211: ours, and so no witness of its own. It can also say everything wrongly.

export interface CrmfParts {
  id?: number
  key?: KeyObject
  subject?: Name
  identifiers?: Identifier[]
  /** In place of the fields of the template. */
  template?: Buffer[]
  /** After the fields of the template that are there anyway. */
  extensions?: Buffer[]
  controls?: Buffer[]
  /** ProofOfPossession; `absent`: none. Without it, a signature. */
  proof?: Buffer | 'absent'
  regInfo?: Buffer
  sign?: (certReq: Buffer) => Buffer
}

export const spkiOf = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' })

/** AlgorithmIdentifier by which this key signs with SHA-256. */
export const signatureAlgorithmOf = (key: KeyObject): Buffer =>
  key.asymmetricKeyType === 'rsa' ? seq(oid(OID.sha256WithRSAEncryption), nullValue()) : seq(oid(OID.ecdsaWithSHA256))

export const raVerified = (): Buffer => tlv(context(0, false), Buffer.alloc(0))

/** A CertReqMsg; what is not given is right. */
export function buildCrmf(parts: CrmfParts = {}): Buffer {
  const key = parts.key ?? ecKey()
  const names = parts.identifiers ? [extension(OID.subjectAltName, encodeGeneralNames(parts.identifiers))] : []
  const extensions = [...names, ...(parts.extensions ?? [])]
  const template = parts.template ?? [
    explicit(5, encodeName(parts.subject ?? nameOf({ CN: 'device' }))),
    implicit(6, readTlv(spkiOf(key)).value, true),
    ...(extensions.length > 0 ? [implicit(9, Buffer.concat(extensions), true)] : []),
  ]
  const certReq = seq(integer(parts.id ?? 1), seq(...template), ...(parts.controls ? [seq(...parts.controls)] : []))
  const signature = () => (parts.sign ?? ((bytes: Buffer) => sign('sha256', bytes, key)))(certReq)
  const proof = parts.proof ?? implicit(1, Buffer.concat([signatureAlgorithmOf(key), bits(signature())]), true)
  return seq(certReq, ...(proof === 'absent' ? [] : [proof]), ...(parts.regInfo ? [parts.regInfo] : []))
}

export const control = (id: number, type: string, ...values: Buffer[]): Buffer =>
  seq(integer(id), oid(type), set(...values))
export const tcr = (id: number, csr: Buffer): Buffer => implicit(0, Buffer.concat([integer(id), csr]), true)
export const crm = (crmf: Buffer): Buffer => implicit(1, readTlv(crmf).value, true)
export const content = (id: number, contentInfo: Buffer): Buffer => seq(integer(id), contentInfo)

export interface PkiDataParts {
  controls?: Buffer[]
  requests?: Buffer[]
  contents?: Buffer[]
  others?: Buffer[]
}

export const buildPkiData = ({ controls = [], requests = [], contents = [], others = [] }: PkiDataParts): Buffer =>
  seq(seq(...controls), seq(...requests), seq(...contents), seq(...others))

const MAC_OIDS = {
  sha1: OID.hmacWithSHA1,
  sha256: OID.hmacWithSHA256,
  sha384: OID.hmacWithSHA384,
  sha512: OID.hmacWithSHA512,
}
const DIGEST_OIDS = { sha1: OID.sha1, sha256: OID.sha256, sha384: OID.sha384, sha512: OID.sha512 }

/** The value of IdentityProofV2 and PopLinkWitnessV2. */
export function witness(
  { secret, identification = '', input }: { secret: string; identification?: string; input: Buffer },
  { digest = 'sha256', mac = 'sha256' }: { digest?: keyof typeof DIGEST_OIDS; mac?: keyof typeof MAC_OIDS } = {},
): Buffer {
  const key = createHash(digest).update(`${secret}${identification}`).digest()
  const value = createHmac(mac, key).update(input).digest()
  return seq(seq(oid(DIGEST_OIDS[digest])), seq(oid(MAC_OIDS[mac])), octets(value))
}

/** The controls identification and identityProofV2 over these requests. */
export function identityControls(ids: [number, number], name: string, secret: string, requests: Buffer[]): Buffer[] {
  const proof = witness({ secret, identification: name, input: seq(...requests) })
  return [control(ids[0], OID.cmcIdentification, utf8(name)), control(ids[1], OID.cmcIdentityProofV2, proof)]
}

/** Who signs: a certificate that goes along, or a key by its key identifier. */
export type CmcSigner = { key: KeyObject } & ({ certificate: Buffer; along?: Buffer[] } | { keyIdentifier: Buffer })

export interface Oddly {
  contentType?: string
  /** Attributes beside contentType and messageDigest, or in their place. */
  attributes?: Buffer[]
  onlyThese?: boolean
  unsigned?: Buffer[]
  sign?: (attributes: Buffer) => Buffer
}

function signerInfo(data: Buffer, signer: CmcSigner, odd: Oddly): Buffer {
  const usual = [
    seq(oid(OID.contentType), set(oid(odd.contentType ?? OID.pkiData))),
    seq(oid(OID.messageDigest), set(octets(createHash('sha256').update(data).digest()))),
  ]
  const attributes = setOf(...(odd.onlyThese ? [] : usual), ...(odd.attributes ?? []))
  const signature = (odd.sign ?? ((bytes: Buffer) => sign('sha256', bytes, signer.key)))(attributes)
  return seq(
    integer('certificate' in signer ? 1 : 3),
    identifierOf(signer),
    seq(oid(OID.sha256)),
    implicit(0, readTlv(attributes).value, true),
    signer.key.asymmetricKeyType === 'rsa' ? seq(oid(OID.rsaEncryption), nullValue()) : seq(oid(OID.ecdsaWithSHA256)),
    octets(signature),
    ...(odd.unsigned ? [implicit(1, Buffer.concat(odd.unsigned), true)] : []),
  )
}

function identifierOf(signer: CmcSigner): Buffer {
  if ('keyIdentifier' in signer) return implicit(0, signer.keyIdentifier)
  const { issuer, serial } = readBareCertificate(signer.certificate)
  return seq(issuer, tlv(TAG.integer, serial))
}

/** A full PKI request: SignedData around a PKIData, by any number of signers. */
export function signedRequest(data: Buffer, signers: CmcSigner[], odd: Oddly = {}): Buffer {
  const certificates = signers.flatMap((signer) =>
    'certificate' in signer ? [signer.certificate, ...(signer.along ?? [])] : [],
  )
  return seq(
    oid(OID.signedData),
    explicit(
      0,
      seq(
        integer(3),
        set(seq(oid(OID.sha256))),
        seq(oid(odd.contentType ?? OID.pkiData), explicit(0, octets(data))),
        ...(certificates.length > 0 ? [implicit(0, Buffer.concat(certificates), true)] : []),
        set(...signers.map((signer) => signerInfo(data, signer, odd))),
      ),
    ),
  )
}

/** One CMCStatusInfoV2, read. */
export interface ReadStatus {
  status: CmcStatus
  bodyParts: number[]
  text?: string
  failInfo?: CmcFailInfo
  pending?: { token: Buffer; time: Date }
}

export interface ReadResponse {
  statuses: ReadStatus[]
  /** Values of the other controls by OID. */
  controls: Map<string, Buffer>
  /** Answers to a batch by their identifiers. */
  contents: Map<number, Buffer>
  certificates: Buffer[]
  /** Who signed; the signature was checked. */
  signer: Buffer
}

/** Reads a full PKI response and checks its signature by the certificate that is in it. */
export function readResponse(bytes: Buffer): ReadResponse {
  const parts = readSignedParts(bytes)
  const [signer] = parts.signers
  if (!signer || !parts.content || parts.contentType !== OID.pkiResponse) throw new Error('no full PKI response')
  const certificate = signerOf(parts)
  const { publicKey } = readBareCertificate(certificate)
  verifySignerInfo(signer, { contentType: OID.pkiResponse, content: parts.content, publicKey, digests: ['sha256'] })
  const [controls, contents] = children(readTlv(parts.content), 3)
  const response: ReadResponse = {
    statuses: [],
    controls: new Map(),
    contents: new Map(),
    certificates: parts.certificates,
    signer: certificate,
  }
  for (const tagged of children(at(controls))) {
    const [, type, values] = children(tagged)
    const value = at(children(at(values))[0])
    const name = readOid(at(type))
    if (name === OID.cmcStatusInfoV2) response.statuses.push(readStatus(value))
    else response.controls.set(name, value.der)
  }
  for (const tagged of children(at(contents))) {
    const [id, contentInfo] = children(tagged)
    response.contents.set(readSmallInteger(at(id)), at(contentInfo).der)
  }
  return response
}

function signerOf({ signers, certificates }: SignedParts): Buffer {
  const wanted = signers[0]?.identifier
  const found = certificates.find((der) => {
    const { issuer, serial } = readBareCertificate(der)
    return wanted && 'serial' in wanted && wanted.serial.equals(serial) && wanted.issuer.equals(issuer)
  })
  if (!found) throw new Error('the certificate of the signer is not there')
  return found
}

function at(value: Tlv | undefined): Tlv {
  if (!value) throw new Error('something is missing')
  return value
}

const nameOfNumber = <T extends string>(table: Record<T, number>, number: number): T => {
  for (const [name, value] of Object.entries(table)) if (value === number) return name as T
  throw new Error(`${number} has no name`)
}

function readStatus(value: Tlv): ReadStatus {
  const [status, parts, ...rest] = children(value)
  const text = rest[0]?.tag === TAG.utf8 ? rest.shift() : undefined
  const [info] = rest
  const out: ReadStatus = {
    status: nameOfNumber(cmcStatuses, readSmallInteger(at(status))),
    bodyParts: children(at(parts)).map((part) => readSmallInteger(part)),
    ...(text ? { text: readString(text) } : {}),
  }
  if (info?.tag === TAG.integer) out.failInfo = nameOfNumber(cmcFailInfos, readSmallInteger(info))
  if (info?.tag === TAG.seq) {
    const [token, time] = children(info)
    out.pending = { token: readOctets(at(token)), time: readTime(at(time)) }
  }
  return out
}
