import { createHash, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { encodeIssuerAndSerial, keptBareCertificate } from './certificateIdentifier.ts'
import { encodeContentInfo } from './contentInfo.ts'
import { explicit, implicit, integer, nullValue, octets, oid, seq, set, setOf } from './der.ts'
import { DIGESTS, type Digest, digestIdentifier } from './digest.ts'
import { unsupported } from './error.ts'
import { OID } from './oid.ts'

/** Who signs a CMS message: a key of this process or one elsewhere, with the certificate that belongs to it. */
export interface MessageSigner {
  /** DER. */
  certificate: Buffer
  keyType: 'RSA' | 'EC'
  /** The signature over the digest of `data`: PKCS #1 v1.5 for RSA, the DER of r and s for ECDSA. */
  sign(data: Buffer, digest: Digest): Promise<Buffer> | Buffer
}

const signInPool = promisify(sign)

/** A signer over a private key held in this process; RSA above 2048 bits signs in the thread pool. Throws PkiError('unsupported') for another kind of key. */
export function messageSigner(certificate: Buffer, key: KeyObject): MessageSigner {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type !== 'rsa' && type !== 'ec') throw unsupported(`a key of type ${type} does not sign CMS messages here`)
  const slow = (details?.modulusLength ?? 0) > 2048
  return {
    certificate,
    keyType: type === 'rsa' ? 'RSA' : 'EC',
    sign: (data, digest) => (slow ? signInPool(digest, data, key) : sign(digest, data, key)),
  }
}

export interface SignedDataDraft {
  /** Contents of eContent; absent: none, and the digest is that of no octets. */
  content?: Buffer
  /** eContentType, dotted; absent: id-data. */
  contentType?: string
  /** Signed attributes beside contentType and messageDigest: dotted OID and DER of the one value. */
  attributes: readonly { oid: string; value: Buffer }[]
  digest: Digest
  /** Certificates to send along after the signer's own, DER. */
  chain?: readonly Buffer[]
}

/**
 * A SignedData in its ContentInfo (RFC 5652 section 5), DER: one SignerInfo by issuerAndSerialNumber, attributes in the order of DER, the signer's certificate
 * first. An RSA signature is called rsaEncryption (RFC 3370 section 3.2): SCEP clients know no other name. Throws what the signer throws.
 */
export async function writeSignedData(draft: SignedDataDraft, signer: MessageSigner): Promise<Buffer> {
  const { content, contentType = OID.data, digest, chain = [] } = draft
  const messageDigest = createHash(digest)
    .update(content ?? '')
    .digest()
  const attributes = setOf(
    attribute(OID.contentType, oid(contentType)),
    attribute(OID.messageDigest, octets(messageDigest)),
    ...draft.attributes.map(({ oid: type, value }) => attribute(type, value)),
  )
  const signature = await signer.sign(attributes, digest)
  // The same octets under another tag: [0] IMPLICIT in the message, SET OF under the signature (section 5.4).
  const signedAttributes = Buffer.from(attributes)
  signedAttributes[0] = 0xa0
  const signerInfo = seq(
    integer(1),
    encodeIssuerAndSerial(keptBareCertificate(signer.certificate)),
    digestIdentifier(digest),
    signedAttributes,
    signatureIdentifier(signer.keyType, digest),
    octets(signature),
  )
  const encapsulated = content ? seq(oid(contentType), explicit(0, octets(content))) : seq(oid(contentType))
  const certificates = implicit(0, Buffer.concat([signer.certificate, ...chain]), true)
  return encodeContentInfo(
    'signedData',
    // RFC 5652 section 5.1.
    integer(contentType === OID.data ? 1 : 3),
    set(digestIdentifier(digest)),
    encapsulated,
    certificates,
    set(signerInfo),
  )
}

const attribute = (type: string, value: Buffer): Buffer => seq(oid(type), set(value))

function signatureIdentifier(keyType: MessageSigner['keyType'], digest: Digest): Buffer {
  return keyType === 'RSA' ? seq(oid(OID.rsaEncryption), nullValue()) : seq(oid(DIGESTS[digest].ecdsa))
}
