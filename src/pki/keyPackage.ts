import type { ContentCipher } from './contentCipher.ts'
import { children, readTlv, seq } from './der.ts'
import { type EnvelopeRecipient, writeEnvelopedData } from './envelopedData.ts'
import { OID } from './oid.ts'
import { type MessageSigner, writeSignedData } from './signedDataWriter.ts'

/** Who vouches for a key, and to whom it is closed. */
export interface KeyPackageDraft {
  signer: MessageSigner
  /** Issuers above the signer's certificate, DER. */
  chain: readonly Buffer[]
  recipient: EnvelopeRecipient
  cipher: ContentCipher
}

/**
 * A private key (PKCS #8, DER) for whoever it was made: AsymmetricKeyPackage (RFC 5958 section 2) in SignedData in EnvelopedData, as RFC 7030 section 4.4.2 has it.
 * DER of the ContentInfo. Inside is a SignedData without a ContentInfo of its own: the envelope's contentType says what it is. Throws what the signer throws, and
 * PkiError('unsupported') as writeEnvelopedData.
 */
export async function writeKeyPackage(
  pkcs8: Buffer,
  { signer, chain, recipient, cipher }: KeyPackageDraft,
): Promise<Buffer> {
  const draft = { content: seq(pkcs8), contentType: OID.aKeyPackage, attributes: [], digest: 'sha256', chain } as const
  const [, wrapped] = children(readTlv(await writeSignedData(draft, signer)))
  return writeEnvelopedData(wrapped?.value ?? Buffer.alloc(0), recipient, cipher, OID.signedData)
}
