import { createHash, timingSafeEqual, verify } from 'node:crypto'
import { type CertificateIdentifier, readCertificateIdentifier } from './certificateIdentifier.ts'
import { children, context, expect, readOctets, readOid, readSmallInteger, setOf, TAG, type Tlv, tlv } from './der.ts'
import { DIGESTS, type Digest, readDigest } from './digest.ts'
import { malformed, PkiError, unsupported } from './error.ts'
import { OID } from './oid.ts'
import type { PublicKeyInfo } from './publicKey.ts'
import { schemeOf } from './signatureAlgorithm.ts'
import { verifySignature } from './signer.ts'

// SignerInfo, RFC 5652 section 5.3: one signature of a SignedData, whatever its content and whoever signs.

/** One signature as it claims to be. */
export interface ClaimedSigner {
  /** By what the signer is found. */
  identifier: CertificateIdentifier
  /** Signed attributes by dotted OID; each has one value. */
  attributes: ReadonlyMap<string, Tlv>
  signature: ClaimedSignature
  /** Dotted OIDs of the unsigned attributes. */
  unsigned: string[]
}

export interface ClaimedSignature {
  /** DER AlgorithmIdentifiers. */
  digestAlgorithm: Tlv
  algorithm: Tlv
  value: Buffer
  /** Contents of signedAttrs as received. */
  signedAttributes: Buffer
}

const MAX_ATTRIBUTES = 64
/** OpenSSL would take twice as many, at eight times the work. */
const MAX_RSA_BITS = 8192

/** Reads a SignerInfo whose signed attributes are there, each once, with one value. Throws PkiError('malformed'). */
export function readSignerInfo(signerInfo: Tlv): ClaimedSigner {
  const [version, sid, digestAlgorithm, attributes, algorithm, value, ...unsigned] = children(
    expect(signerInfo, TAG.seq, 'SignerInfo'),
    7,
  )
  readSmallInteger(expect(version, TAG.integer, 'version of the SignerInfo'))
  if (attributes?.tag !== context(0)) throw malformed('a SignerInfo without signed attributes')
  if (unsigned[0] && unsigned[0].tag !== context(1)) throw malformed('a SignerInfo with something left over')
  return {
    identifier: readCertificateIdentifier(sid),
    attributes: readAttributes(attributes),
    unsigned: unsigned[0] ? attributeTypes(unsigned[0]) : [],
    signature: {
      digestAlgorithm: expect(digestAlgorithm, TAG.seq, 'digest algorithm'),
      algorithm: expect(algorithm, TAG.seq, 'signature algorithm'),
      value: readOctets(expect(value, TAG.octets, 'signature')),
      signedAttributes: attributes.value,
    },
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

function attributeTypes(field: Tlv): string[] {
  return children(field, MAX_ATTRIBUTES).map((attribute) => {
    const [type] = children(expect(attribute, TAG.seq, 'unsigned attribute'), 3)
    return readOid(expect(type, TAG.oid, 'type of an attribute'))
  })
}

/** What was signed, by which key, and which digests may be used. */
export interface Signed {
  /** eContentType, dotted. */
  contentType: string
  /** Contents of eContent. */
  content: Buffer
  publicKey: PublicKeyInfo
  digests: readonly Digest[]
}

/**
 * Checks the attributes contentType and messageDigest (RFC 5652 section 5.6) and the signature, over the attributes as received, or else over them as DER
 * sorts them: some programs sort them only for signing, others only for sending. Signatures: RSA by PKCS #1 v1.5 and PSS, ECDSA, Ed25519. Gives the digest.
 * Throws PkiError: `badSignature`; `unsupported` for a digest, algorithm or key that is not taken; `malformed`.
 */
export function verifySignerInfo(
  { attributes, signature }: Pick<ClaimedSigner, 'attributes' | 'signature'>,
  { contentType, content, publicKey, digests }: Signed,
): Digest {
  const digest = readDigest(signature.digestAlgorithm)
  if (!digests.includes(digest)) throw unsupported(`the digest ${digest} is not taken here`)
  const claimedType = attributes.get(OID.contentType)
  if (!claimedType || readOid(claimedType) !== contentType)
    throw malformed('a SignedData whose attribute contentType is missing or differs from its content')
  const claimedDigest = attributes.get(OID.messageDigest)
  if (!claimedDigest) throw malformed('a SignedData without the attribute messageDigest')
  const actual = createHash(digest).update(content).digest()
  const stated = readOctets(claimedDigest)
  if (stated.length !== actual.length || !timingSafeEqual(stated, actual))
    throw new PkiError('badSignature', 'the content is not the one that was signed')
  const received = tlv(TAG.set, signature.signedAttributes)
  const check = schemeFor(signature.algorithm, digest, publicKey)
  if (check(received, signature.value)) return digest
  const sorted = setOf(...children(signature.signedAttributes, MAX_ATTRIBUTES).map(({ der }) => der))
  if (!sorted.equals(received) && check(sorted, signature.value)) return digest
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
