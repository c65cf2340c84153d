import {
  type BareCertificate,
  type CertificateIdentifier,
  identifies,
  readBareCertificate,
} from './certificateIdentifier.ts'
import { readContentInfo, readEncapsulated } from './contentInfo.ts'
import { children, context, expect, readSmallInteger, TAG, type Tlv } from './der.ts'
import type { Digest } from './digest.ts'
import { malformed, PkiError } from './error.ts'
import { OID } from './oid.ts'
import { type ClaimedSignature, type ClaimedSigner, readSignerInfo, verifySignerInfo } from './signerInfo.ts'

declare const verified: unique symbol

/** A SignedData with one signer as it claims to be: nothing of it is proved before verifySignedData has seen it. */
export interface ClaimedSignedData {
  /** eContentType, dotted. */
  contentType: string
  /** Contents of eContent; absent where the message has none. */
  content?: Buffer
  /** The certificate that the SignerInfo points at; neither its chain nor its validity is judged. */
  signer: BareCertificate
  /** All certificates of the message, DER, in its order. */
  certificates: Buffer[]
  /** Signed attributes by dotted OID; each has one value. */
  attributes: ReadonlyMap<string, Tlv>
  /** What verifySignedData looks at. */
  signature: ClaimedSignature
}

/** A SignedData whose signature and digest were found good. Only verifySignedData makes one. */
export interface SignedData extends ClaimedSignedData {
  readonly [verified]: true
  readonly digest: Digest
}

/** A SignedData with no signer, one or more, of whatever content; who signed is for the protocol to find out. */
export interface SignedParts {
  /** eContentType, dotted. */
  contentType: string
  /** Contents of eContent; absent where the message has none. */
  content?: Buffer
  /** All certificates of the message, DER, in its order. */
  certificates: Buffer[]
  signers: ClaimedSigner[]
}

const MAX_CERTIFICATES = 32
const MAX_SIGNERS = 8

/** Reads a SignedData in its ContentInfo (RFC 5652 section 5), in DER or BER. No signature is checked: see verifySignerInfo. Throws PkiError('malformed'). */
export function readSignedParts(bytes: Buffer): SignedParts {
  const [version, digests, encapsulated, ...tail] = readContentInfo(bytes, 'signedData', 6)
  readSmallInteger(expect(version, TAG.integer, 'version'))
  expect(digests, TAG.set, 'digestAlgorithms')
  const { contentType, content } = readEncapsulated(encapsulated)
  const certificates = readCertificates(tail[0]?.tag === context(0) ? tail.shift() : undefined)
  if (tail[0]?.tag === context(1)) tail.shift()
  const [signers, ...more] = tail
  const infos = children(expect(signers, TAG.set, 'signerInfos'), MAX_SIGNERS)
  if (more.length > 0) throw malformed('a SignedData with something left over')
  return { contentType, certificates, signers: infos.map(readSignerInfo), ...(content ? { content } : {}) }
}

/**
 * Reads a SignedData with exactly one SignerInfo, whose certificate is in the message and is found by its identifier alone, and whose signed attributes are
 * there, each once, with one value. The signature is not checked: see verifySignedData. Throws PkiError('malformed').
 */
export function readSignedData(bytes: Buffer): ClaimedSignedData {
  const { signers, ...parts } = readSignedParts(bytes)
  const [signer, ...others] = signers
  if (!signer) throw malformed('a SignedData that nobody signed')
  if (others.length > 0) throw malformed('a SignedData with more than one signer')
  const { identifier, attributes, signature } = signer
  return { ...parts, signer: findSigner(identifier, parts.certificates), attributes, signature }
}

/** Those of X.509; other kinds are left aside. */
function readCertificates(field: Tlv | undefined): Buffer[] {
  if (!field) return []
  return children(field, MAX_CERTIFICATES).flatMap(({ tag, der }) => (tag === TAG.seq ? [der] : []))
}

/** The one certificate among these that the identifier points at. Throws PkiError('malformed'). */
export function findSigner(identifier: CertificateIdentifier, certificates: readonly Buffer[]): BareCertificate {
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

export interface Trusted {
  /** Which digests may be used. */
  digests: readonly Digest[]
  /** Whether a message without content is one over no octets (RFC 8894 section 3.2); otherwise it is malformed. */
  contentMayBeAbsent?: boolean
}

/** As verifySignerInfo, for a message whose content is id-data. */
export function verifySignedData(claimed: ClaimedSignedData, { digests, contentMayBeAbsent }: Trusted): SignedData {
  const { contentType, content, signer } = claimed
  if (!content && !contentMayBeAbsent) throw malformed('a SignedData without content')
  if (contentType !== OID.data) throw malformed('a SignedData whose content is not id-data')
  const { publicKey } = signer
  const digest = verifySignerInfo(claimed, { contentType, content: content ?? Buffer.alloc(0), publicKey, digests })
  return { ...claimed, digest } as SignedData
}
