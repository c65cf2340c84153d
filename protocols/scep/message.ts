import { expect, readString, readTime, TAG } from '../../src/pki/der.ts'
import type { Digest } from '../../src/pki/digest.ts'
import { readDigest } from '../../src/pki/digest.ts'
import { type EnvelopedData, readEnvelopedData } from '../../src/pki/envelopedData.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { type ClaimedSignedData, readSignedData, type SignedData, verifySignedData } from '../../src/pki/signedData.ts'
import { ATTRIBUTE, MESSAGE_TYPE, type RequestType } from './attributes.ts'
import { Refusal, Unreadable } from './errors.ts'
import type { ScepOptions } from './options.ts'

/** A pkiMessage (RFC 8894 section 3.2) as it claims to be: enough to answer it. */
export interface ClaimedMessage {
  claimed: ClaimedSignedData
  transactionId: string
  /** DER as received: it is given back unchanged. */
  transactionIdDer: Buffer
  /** Contents; absent where the message has none, or not as an OCTET STRING. */
  senderNonce?: Buffer
}

/** A message whose signature is good; its envelope is not opened. */
export interface PkiMessage extends ClaimedMessage {
  signed: SignedData
  type: RequestType
  envelope: EnvelopedData
}

const MAX_TRANSACTION_ID = 255
const MAX_NONCE = 64

/** Throws Unreadable for what cannot be answered by a CertRep: no SignedData with one signer, or no transactionID. */
export function readMessage(bytes: Buffer): ClaimedMessage {
  try {
    const claimed = readSignedData(bytes)
    const id = claimed.attributes.get(ATTRIBUTE.transactionId)
    const transactionId = readString(expect(id, TAG.printable, 'transactionID'))
    if (!id || transactionId === '' || transactionId.length > MAX_TRANSACTION_ID)
      throw new Unreadable(`a transactionID has 1 to ${MAX_TRANSACTION_ID} characters`)
    const senderNonce = nonceOf(claimed)
    return { claimed, transactionId, transactionIdDer: id.der, ...(senderNonce ? { senderNonce } : {}) }
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new Unreadable(`this is no SCEP message: ${error.message}`, { cause: error })
  }
}

function nonceOf({ attributes }: ClaimedSignedData): Buffer | undefined {
  const nonce = attributes.get(ATTRIBUTE.senderNonce)
  return nonce?.tag === TAG.octets && nonce.value.length > 0 && nonce.value.length <= MAX_NONCE
    ? nonce.value
    : undefined
}

/** The digest that an answer to this message is signed with: the client's own where the profile takes it. */
export function digestFor({ claimed }: ClaimedMessage, digests: readonly Digest[]): Digest {
  try {
    const digest = readDigest(claimed.signature.digestAlgorithm)
    return digests.includes(digest) ? digest : 'sha256'
  } catch (error) {
    if (error instanceof PkiError) return 'sha256'
    throw error
  }
}

/**
 * Checks the signature, the type and the nonce, and reads the outside of the envelope. Throws Refusal, and PkiError: badSignature, unsupported, malformed.
 * The certificate of the signer says who holds the key, and nothing else of it is judged here: clients sign with certificates that they made themselves.
 */
export function verifyMessage(message: ClaimedMessage, options: ScepOptions, now: Date): PkiMessage {
  const signed = verifySignedData(message.claimed, { digests: options.digests, contentMayBeAbsent: true })
  if (!message.senderNonce) throw new Refusal('badRequest', 'a message needs the attribute senderNonce')
  const type = typeOf(signed)
  checkTime(signed, options, now)
  if (!signed.content?.length) throw new Refusal('badRequest', `a ${type} without its pkcsPKIEnvelope`)
  return { ...message, signed, type, envelope: readEnvelopedData(signed.content) }
}

function typeOf({ attributes }: SignedData): RequestType {
  const value = attributes.get(ATTRIBUTE.messageType)
  if (value?.tag !== TAG.printable) throw new Refusal('badRequest', 'a message needs the attribute messageType')
  const text = readString(value)
  for (const [name, number] of Object.entries(MESSAGE_TYPE))
    if (number === text && name !== 'CertRep') return name as RequestType
  throw new Refusal('badRequest', 'this messageType is none that a server takes')
}

function checkTime({ attributes }: SignedData, { clockSkew }: ScepOptions, now: Date): void {
  if (clockSkew === undefined) return
  const signingTime = attributes.get(OID.signingTime)
  if (!signingTime) throw new Refusal('badTime', 'this profile wants the attribute signingTime')
  if (Math.abs(readTime(signingTime).getTime() - now.getTime()) > clockSkew)
    throw new Refusal('badTime', `the message was not signed now: it is ${now.toISOString()} here`)
}
