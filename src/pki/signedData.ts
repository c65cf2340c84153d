import { createHash, timingSafeEqual, verify } from 'node:crypto'
import {
  type BareCertificate,
  identifies,
  readBareCertificate,
  readCertificateIdentifier,
} from './certificateIdentifier.ts'
import { readContentInfo, readEncapsulated } from './contentInfo.ts'
import { children, context, expect, readOctets, readOid, readSmallInteger, setOf, TAG, type Tlv, tlv } from './der.ts'
import { DIGESTS, type Digest, readDigest } from './digest.ts'
import { malformed, PkiError, unsupported } from './error.ts'
import { OID } from './oid.ts'
import type { PublicKeyInfo } from './publicKey.ts'
import { schemeOf } from './signatureAlgorithm.ts'
import { verifySignature } from './signer.ts'

declare const verified: unique symbol

/** A SignedData with one signer as it claims to be: nothing of it is proved before verifySignedData has seen it. */
export interface ClaimedSignedData {
  /** Contents of eContent; absent where the message has none. */
  content?: Buffer
  /** The certificate that the SignerInfo points at; neither its chain nor its validity is judged. */
  signer: BareCertificate
  /** All certificates of the message, DER, in its order. */
  certificates: Buffer[]
  /** Signed attributes by dotted OID; each has one value. */
  attributes: ReadonlyMap<string, Tlv>
  /** What verifySignedData looks at. */
  signature: {
    /** DER AlgorithmIdentifiers. */
    digestAlgorithm: Tlv
    algorithm: Tlv
    value: Buffer
    /** Contents of signedAttrs as received. */
    signedAttributes: Buffer
    contentType: string
  }
}

/** A SignedData whose signature and digest were found good. Only verifySignedData makes one. */
export interface SignedData extends ClaimedSignedData {
  readonly [verified]: true
  readonly digest: Digest
}

const MAX_CERTIFICATES = 32
const MAX_ATTRIBUTES = 64
/** OpenSSL would take twice as many, at eight times the work. */
const MAX_RSA_BITS = 8192

/**
 * Reads a SignedData in its ContentInfo (RFC 5652 section 5), in DER or BER, with exactly one SignerInfo, whose certificate is in the message and is found
 * by its identifier alone, and whose signed attributes are there, each once, with one value. The signature is not checked: see verifySignedData.
 * Throws PkiError('malformed').
 */
export function readSignedData(bytes: Buffer): ClaimedSignedData {
  const [version, digests, encapsulated, ...tail] = readContentInfo(bytes, 'signedData', 6)
  readSmallInteger(expect(version, TAG.integer, 'version'))
  expect(digests, TAG.set, 'digestAlgorithms')
  const { contentType, content } = readEncapsulated(encapsulated)
  const certificates = readCertificates(tail[0]?.tag === context(0) ? tail.shift() : undefined)
  if (tail[0]?.tag === context(1)) tail.shift()
  const [signers, ...more] = tail
  const [signer, ...others] = children(expect(signers, TAG.set, 'signerInfos'), 2)
  if (!signer) throw malformed('a SignedData that nobody signed')
  if (others.length > 0 || more.length > 0) throw malformed('a SignedData with more than one signer')
  return { ...readSigner(signer, certificates, contentType), certificates, ...(content ? { content } : {}) }
}

/** Those of X.509; other kinds are left aside. */
function readCertificates(field: Tlv | undefined): Buffer[] {
  if (!field) return []
  return children(field, MAX_CERTIFICATES).flatMap(({ tag, der }) => (tag === TAG.seq ? [der] : []))
}

function readSigner(
  signerInfo: Tlv,
  certificates: readonly Buffer[],
  contentType: string,
): Pick<ClaimedSignedData, 'signer' | 'attributes' | 'signature'> {
  const [version, sid, digestAlgorithm, attributes, algorithm, value, ...unsigned] = children(
    expect(signerInfo, TAG.seq, 'SignerInfo'),
    7,
  )
  readSmallInteger(expect(version, TAG.integer, 'version of the SignerInfo'))
  if (attributes?.tag !== context(0)) throw malformed('a SignerInfo without signed attributes')
  if (unsigned[0] && unsigned[0].tag !== context(1)) throw malformed('a SignerInfo with something left over')
  return {
    signer: findSigner(sid, certificates),
    attributes: readAttributes(attributes),
    signature: {
      digestAlgorithm: expect(digestAlgorithm, TAG.seq, 'digest algorithm'),
      algorithm: expect(algorithm, TAG.seq, 'signature algorithm'),
      value: readOctets(expect(value, TAG.octets, 'signature')),
      signedAttributes: attributes.value,
      contentType,
    },
  }
}

function findSigner(sid: Tlv | undefined, certificates: readonly Buffer[]): BareCertificate {
  const identifier = readCertificateIdentifier(sid)
  const found = certificates.flatMap((der) => {
    const certificate = readIfPossible(der)
    return certificate && identifies(identifier, certificate) ? [certificate] : []
  })
  const [signer, ...others] = found
  if (!signer) throw malformed('the certificate of the signer is not in the message')
  if (others.some(({ der }) => !der.equals(signer.der))) throw malformed('two certificates that may be the signer’s')
  return signer
}

/** A broken certificate beside the signer's breaks nothing. */
function readIfPossible(der: Buffer): BareCertificate | undefined {
  try {
    return readBareCertificate(der)
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

function readAttributes(field: Tlv): Map<string, Tlv> {
  const out = new Map<string, Tlv>()
  for (const attribute of children(field, MAX_ATTRIBUTES)) {
    const [type, values, ...rest] = children(expect(attribute, TAG.seq, 'signed attribute'), 3)
    const oid = readOid(expect(type, TAG.oid, 'type of an attribute'))
    const [value, ...more] = children(expect(values, TAG.set, `values of attribute ${oid}`), 2)
    if (!value || more.length > 0 || rest.length > 0) throw malformed(`attribute ${oid} must have one value`)
    if (out.has(oid)) throw malformed(`attribute ${oid} comes twice`)
    out.set(oid, value)
  }
  return out
}

export interface Trusted {
  /** Which digests may be used. */
  digests: readonly Digest[]
  /** Whether a message without content is one over no octets (RFC 8894 section 3.2); otherwise it is malformed. */
  contentMayBeAbsent?: boolean
}

/**
 * Checks the attributes contentType and messageDigest (RFC 5652 section 5.6; the content is id-data) and the signature, over the attributes as received, or
 * else over them as DER sorts them: some programs sort them only for signing, others only for sending. Signatures: RSA by PKCS #1 v1.5 and PSS, ECDSA, Ed25519.
 * Throws PkiError: `badSignature`; `unsupported` for a digest, algorithm or key that is not taken; `malformed`.
 */
export function verifySignedData(claimed: ClaimedSignedData, { digests, contentMayBeAbsent }: Trusted): SignedData {
  const { content, attributes, signature, signer } = claimed
  const digest = readDigest(signature.digestAlgorithm)
  if (!digests.includes(digest)) throw unsupported(`the digest ${digest} is not taken here`)
  if (!content && !contentMayBeAbsent) throw malformed('a SignedData without content')
  const contentType = attributes.get(OID.contentType)
  if (!contentType || readOid(contentType) !== signature.contentType || signature.contentType !== OID.data)
    throw malformed('a SignedData whose content is not id-data, or whose attribute contentType differs')
  const claimedDigest = attributes.get(OID.messageDigest)
  if (!claimedDigest) throw malformed('a SignedData without the attribute messageDigest')
  const actual = createHash(digest)
    .update(content ?? '')
    .digest()
  const stated = readOctets(claimedDigest)
  if (stated.length !== actual.length || !timingSafeEqual(stated, actual))
    throw new PkiError('badSignature', 'the content is not the one that was signed')
  const received = tlv(TAG.set, signature.signedAttributes)
  const check = schemeFor(signature.algorithm, digest, signer.publicKey)
  if (check(received, signature.value)) return { ...claimed, digest } as SignedData
  const sorted = setOf(...children(signature.signedAttributes, MAX_ATTRIBUTES).map(({ der }) => der))
  if (!sorted.equals(received) && check(sorted, signature.value)) return { ...claimed, digest } as SignedData
  throw new PkiError('badSignature', 'the signature does not fit the key of its signer')
}

type Check = (data: Buffer, signature: Buffer) => boolean

/** The digest that an identifier of a signature implies; undefined where it leaves that to digestAlgorithm (RFC 3370 section 3.2). */
const SIGNATURES = new Map<string, { keyType: 'RSA' | 'EC'; digest?: Digest }>([
  [OID.rsaEncryption, { keyType: 'RSA' }],
  [OID.ecPublicKey, { keyType: 'EC' }],
])
for (const [name, { rsa, ecdsa }] of Object.entries(DIGESTS)) {
  SIGNATURES.set(rsa, { keyType: 'RSA', digest: name as Digest })
  SIGNATURES.set(ecdsa, { keyType: 'EC', digest: name as Digest })
}

function schemeFor(algorithm: Tlv, digest: Digest, publicKey: PublicKeyInfo): Check {
  if (publicKey.algorithm === 'RSA' && publicKey.size > MAX_RSA_BITS)
    throw unsupported(`RSA keys of more than ${MAX_RSA_BITS} bits are not taken`)
  const [id] = children(algorithm, 2)
  const known = SIGNATURES.get(readOid(expect(id, TAG.oid, 'signature algorithm')))
  // RFC 8419 section 3: Ed25519 goes with SHA-512.
  const implied = known ? known.digest : (schemeOf(algorithm.der).hash ?? 'sha512')
  if (implied && implied !== digest) throw unsupported('a signature made over another digest than the message says')
  if (!known) return (data, signature) => verifySignature(algorithm.der, publicKey, data, signature)
  if (publicKey.algorithm !== known.keyType) return () => false
  return (data, signature) => {
    try {
      return verify(digest, data, publicKey.key, signature)
    } catch {
      // OpenSSL refuses some impossible signatures by an exception instead of an answer.
      return false
    }
  }
}
