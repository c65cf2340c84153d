import { verify } from 'node:crypto'
import {
  children,
  context,
  expect,
  explicit,
  oid,
  readBits,
  readOid,
  readSmallInteger,
  readString,
  readTlv,
  seq,
  TAG,
  type Tlv,
} from './der.ts'
import { malformed, PkiError } from './error.ts'
import { type Extension, readExtensions } from './extensions.ts'
import { decodeGeneralNames, type Identifier, type OtherName } from './identifier.ts'
import { decodeName, type Name } from './name.ts'
import { OID } from './oid.ts'
import { type PublicKeyInfo, readPublicKey } from './publicKey.ts'
import { schemeOf } from './signatureAlgorithm.ts'
import { verifySignature } from './signer.ts'

declare const verified: unique symbol

export interface CsrAttribute {
  oid: string
  values: Tlv[]
}

/**
 * A request for a certificate whose key was proved to be in the hands of who asks: PKCS #10 (RFC 2986) whose signature was found good by the key in it, or
 * CRMF (RFC 4211) with its proof of possession. Only parseCsr and the readers of crmf.ts make one.
 */
export interface Csr {
  readonly [verified]: true
  readonly der: Buffer
  readonly publicKey: PublicKeyInfo
  readonly subject: Name
  /** Of the requested subjectAltName, in order; dns in lower case, addresses in canonical form. */
  readonly identifiers: readonly Identifier[]
  /** Names of other kinds in the requested subjectAltName. */
  readonly otherNames: readonly OtherName[]
  readonly attributes: readonly CsrAttribute[]
  readonly extensions: readonly Extension[]
  readonly challengePassword?: string
  /** Name of the algorithm of the self-signature: `ecdsa-with-SHA256`, `sha256WithRSAEncryption`, `RSASSA-PSS`, `Ed25519` …; `raVerified` where an RA vouches for it. */
  readonly signatureAlgorithm: string
}

/** What a reader finds in a request before possession is proved. */
export type CsrFields = Omit<Csr, typeof verified>

const MAX_ATTRIBUTES = 64

/**
 * Reads a DER CertificationRequest and verifies its self-signature: RSA (PKCS #1 v1.5, PSS) and ECDSA with SHA-2, Ed25519; with SHA-1 only
 * where `allowSha1` says so, for devices that know no better. The bytes are copied first, so the result does not change with them.
 * An attribute or extension that comes twice is refused: two readers would choose differently. A request without attributes may leave out
 * the empty [0], as old clients do.
 * Throws PkiError: `malformed`, `unsupported` (algorithm or key), `badSignature`.
 */
export function parseCsr(der: Buffer, { allowSha1 = false } = {}): Csr {
  const { fields, signed } = readRequest(Buffer.from(der))
  return branded({ ...fields, signatureAlgorithm: checkSignature(signed, fields.publicKey, allowSha1) })
}

/**
 * The request as it may be kept and shown: without the challengePassword (RFC 2985 section 5.4.1), which is a secret. The signature stays,
 * and no longer fits. The same one where it has none.
 */
export function withoutChallenge(csr: Csr): Csr {
  if (csr.challengePassword === undefined) return csr
  const [info, ...signature] = children(readTlv(csr.der), 3)
  const fields = children(expect(info, TAG.seq, 'CertificationRequestInfo'), 4)
  const challenge = oid(OID.challengePassword)
  const kept = children(expect(fields[3], context(0), 'attributes of the CSR'), MAX_ATTRIBUTES).filter(
    (attribute) => !children(attribute, 2)[0]?.der.equals(challenge),
  )
  const before = fields.slice(0, 3).map((field) => field.der)
  const shorn = seq(...before, explicit(0, Buffer.concat(kept.map((attribute) => attribute.der))))
  return readKeptCsr(seq(shorn, ...signature.map((part) => part.der)))
}

/** Reads a request that parseCsr had accepted before it was kept: its signature is not looked at again. Throws PkiError('malformed'). */
export function readKeptCsr(der: Buffer): Csr {
  const { fields, signed } = readRequest(Buffer.from(der))
  const identifier = expect(signed.algorithm, TAG.seq, 'signature algorithm of the CSR')
  return branded({ ...fields, signatureAlgorithm: sha1Scheme(identifier)?.name ?? schemeOf(identifier.der).name })
}

/** For readers in this folder alone, once they have seen possession proved. */
export function branded(csr: CsrFields): Csr {
  return csr as Csr
}

function readRequest(der: Buffer): { fields: Omit<CsrFields, 'signatureAlgorithm'>; signed: Signed } {
  const { spki, subjectDer: _, signed, ...fields } = readUnproved(der)
  return { fields: { ...fields, publicKey: readPublicKey(spki) }, signed }
}

type UnprovedFields = Omit<CsrFields, 'signatureAlgorithm' | 'publicKey'> & {
  spki: Tlv
  subjectDer: Buffer
  signed: Signed
}

/** For readers in this folder alone: a PKCS #10 request of whose key and signature only the outside is looked at. Throws PkiError('malformed'). */
export function readUnproved(der: Buffer): UnprovedFields {
  const request = readTlv(der)
  const [info, algorithm, signature, ...rest] = children(expect(request, TAG.seq, 'CertificationRequest'), 4)
  const [version, subject, spki, attributeSet, ...more] = children(expect(info, TAG.seq, 'CertificationRequestInfo'), 5)
  if (rest.length > 0 || more.length > 0) throw malformed('a CSR with something left over')
  if (readSmallInteger(expect(version, TAG.integer, 'version of the CSR')) !== 0)
    throw malformed('a CSR of a version other than 0')
  const attributes = readAttributes(attributeSet)
  const extensions = requestedExtensions(attributes)
  const challengePassword = readChallenge(attributes)
  const name = expect(subject, TAG.seq, 'subject of the CSR')
  return {
    der: request.der,
    spki: expect(spki, TAG.seq, 'SubjectPublicKeyInfo'),
    subject: decodeName(name),
    subjectDer: name.der,
    ...alternativeNames(extensions),
    attributes,
    extensions,
    ...(challengePassword === undefined ? {} : { challengePassword }),
    signed: { tbs: expect(info, TAG.seq, 'CertificationRequestInfo').der, algorithm, signature },
  }
}

/** Of a requested subjectAltName. Throws PkiError('malformed'). */
export function alternativeNames(extensions: readonly Extension[]): Pick<Csr, 'identifiers' | 'otherNames'> {
  const san = extensions.find(({ oid }) => oid === OID.subjectAltName)
  const { identifiers, other } = san ? decodeGeneralNames(san.value) : { identifiers: [], other: [] }
  return { identifiers, otherNames: other }
}

interface Signed {
  tbs: Buffer
  algorithm: Tlv | undefined
  signature: Tlv | undefined
}

function checkSignature({ tbs, algorithm, signature }: Signed, publicKey: PublicKeyInfo, allowSha1: boolean): string {
  const identifier = expect(algorithm, TAG.seq, 'signature algorithm of the CSR')
  const { bytes, unused } = readBits(expect(signature, TAG.bits, 'signature of the CSR'))
  if (unused > 0) throw malformed('a signature that is not whole octets')
  const sha1 = allowSha1 ? sha1Scheme(identifier) : undefined
  const good = sha1 ? verifySha1(sha1, publicKey, tbs, bytes) : verifySignature(identifier.der, publicKey, tbs, bytes)
  if (!good) throw new PkiError('badSignature', 'the CSR is not signed by the key in it')
  return sha1?.name ?? schemeOf(identifier.der).name
}

const SHA1_SCHEMES = new Map([
  [OID.sha1WithRSAEncryption as string, { name: 'sha1WithRSAEncryption', keyType: 'RSA' }],
  [OID.ecdsaWithSHA1, { name: 'ecdsa-with-SHA1', keyType: 'EC' }],
])

function sha1Scheme(identifier: Tlv): { name: string; keyType: string } | undefined {
  const [oid] = children(identifier, 2)
  return SHA1_SCHEMES.get(readOid(expect(oid, TAG.oid, 'signature algorithm of the CSR')))
}

function verifySha1(
  { keyType }: { keyType: string },
  publicKey: PublicKeyInfo,
  tbs: Buffer,
  signature: Buffer,
): boolean {
  if (publicKey.algorithm !== keyType) return false
  try {
    return verify('sha1', tbs, publicKey.key, signature)
  } catch {
    // OpenSSL refuses some impossible signatures, or SHA-1 itself, by an exception.
    return false
  }
}

function readAttributes(attributeSet: Tlv | undefined): CsrAttribute[] {
  if (!attributeSet) return []
  const seen = new Set<string>()
  return children(expect(attributeSet, context(0), 'attributes of the CSR'), MAX_ATTRIBUTES).map((attribute) => {
    const [type, values, ...rest] = children(expect(attribute, TAG.seq, 'attribute of the CSR'), 3)
    const oid = readOid(expect(type, TAG.oid, 'type of an attribute'))
    if (rest.length > 0) throw malformed('an attribute that is not a type and values')
    if (seen.has(oid)) throw malformed(`attribute ${oid} comes twice`)
    seen.add(oid)
    return { oid, values: children(expect(values, TAG.set, `values of attribute ${oid}`), MAX_ATTRIBUTES) }
  })
}

/** The one value of an attribute that is SINGLE VALUE; undefined where the attribute is absent. */
function single(attributes: readonly CsrAttribute[], oid: string): Tlv | undefined {
  const attribute = attributes.find((candidate) => candidate.oid === oid)
  if (!attribute) return undefined
  const [value, ...rest] = attribute.values
  if (!value || rest.length > 0) throw malformed(`attribute ${oid} must have one value`)
  return value
}

function readChallenge(attributes: readonly CsrAttribute[]): string | undefined {
  const value = single(attributes, OID.challengePassword)
  return value && readString(value)
}

// RFC 2985 section 5.4.2, and the identifier that Microsoft's clients used for the same before it.
function requestedExtensions(attributes: readonly CsrAttribute[]): Extension[] {
  const seen = new Set<string>()
  return [OID.extensionRequest, OID.microsoftExtensionRequest].flatMap((attribute) => {
    const value = single(attributes, attribute)
    if (!value) return []
    return readExtensions(value).map((extension) => {
      if (seen.has(extension.oid)) throw malformed(`extension ${extension.oid} comes twice`)
      seen.add(extension.oid)
      return extension
    })
  })
}
