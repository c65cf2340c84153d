import { randomBytes } from 'node:crypto'
import type { MessageKey } from '../../src/core/key/messageKey.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import type { ContentCipher } from '../../src/pki/contentCipher.ts'
import { octets, printable, utf8 } from '../../src/pki/der.ts'
import type { Digest } from '../../src/pki/digest.ts'
import { type EnvelopeRecipient, writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { writeSignedData } from '../../src/pki/signedDataWriter.ts'
import { ATTRIBUTE, MESSAGE_TYPE, PKI_STATUS } from './attributes.ts'
import { FAIL_INFO, type Refusal } from './errors.ts'
import type { ClaimedMessage } from './message.ts'

/** What a pkiMessage is answered with (RFC 8894 section 3.3.2). `content` is a degenerate SignedData. */
export type Outcome =
  | { status: 'SUCCESS'; content: Buffer; recipient: EnvelopeRecipient; cipher: ContentCipher }
  | { status: 'PENDING' }
  | { status: 'FAILURE'; refusal: Refusal }

/** Under which key and digest an answer is signed. */
export interface Answering {
  key: MessageKey
  digest: Digest
}

const TYPE = 'application/x-pki-message'
const MAX_TEXT = 500

/**
 * The CertRep to a message: our own nonce, the client's given back, its transactionID as it wrote it. PENDING and FAILURE have no envelope (sections 3.3.2.2,
 * 3.3.2.3): their eContent has no octets, since clients by OpenSSL, certmonger among them, verify no SignedData without one. A SUCCESS is enveloped to
 * whoever signed the request.
 */
export async function certRep(
  message: ClaimedMessage,
  outcome: Outcome,
  { key, digest }: Answering,
): Promise<HttpAnswer> {
  const attributes = [
    { oid: ATTRIBUTE.transactionId, value: message.transactionIdDer },
    { oid: ATTRIBUTE.messageType, value: printable(MESSAGE_TYPE.CertRep) },
    { oid: ATTRIBUTE.pkiStatus, value: printable(PKI_STATUS[outcome.status]) },
    { oid: ATTRIBUTE.senderNonce, value: octets(randomBytes(16)) },
    ...(message.senderNonce ? [{ oid: ATTRIBUTE.recipientNonce, value: octets(message.senderNonce) }] : []),
    ...(outcome.status === 'FAILURE' ? failure(outcome.refusal) : []),
  ]
  const content =
    outcome.status === 'SUCCESS'
      ? await writeEnvelopedData(outcome.content, outcome.recipient, outcome.cipher)
      : Buffer.alloc(0)
  const body = await writeSignedData({ content, attributes, digest }, key)
  return { status: 200, headers: { 'Content-Type': TYPE, 'Cache-Control': 'no-store' }, body }
}

function failure({ failInfo, detail }: Refusal): { oid: string; value: Buffer }[] {
  return [
    { oid: ATTRIBUTE.failInfo, value: printable(FAIL_INFO[failInfo]) },
    { oid: ATTRIBUTE.failInfoText, value: utf8([...detail].slice(0, MAX_TEXT).join('')) },
  ]
}
