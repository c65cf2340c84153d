import { Failure } from '../../src/core/failure.ts'
import type { MessageKey } from '../../src/core/key/messageKey.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { keptBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import type { CmpMessage } from '../../src/pki/cmpMessage.ts'
import {
  type CmpHeaderDraft,
  directoryName,
  protectedPart,
  writeCmpHeader,
  writeCmpMessage,
} from '../../src/pki/cmpWriter.ts'
import { schemes } from '../../src/pki/signatureAlgorithm.ts'
import type { Exchange, Reply } from './exchange.ts'
import { newNonce } from './nonce.ts'
import { isRoot } from './outcome.ts'
import type { Sender } from './sender.ts'

const TYPE = 'application/pkixcmp'
const [OLDEST, NEWEST] = [2, 3]
/** NULL-DN. */
const NOBODY = Buffer.of(0x30, 0)

/**
 * The answer to a message: protected as that was, by the same secret, or by the profile's message key; also where nobody knows yet who asks, because
 * clients do not show their users what an unprotected message says. Never throws for a key that cannot be had: then it goes unprotected.
 */
export async function respond(
  exchange: Exchange,
  message: CmpMessage,
  sender: Sender | undefined,
  reply: Reply,
): Promise<HttpAnswer> {
  const draft = await draftOf(exchange, message, reply)
  const ready = sender?.by === 'secret' ? await maced(sender, draft, reply) : await signed(exchange, draft, reply)
  return { status: 200, headers: { 'Content-Type': TYPE, 'Cache-Control': 'no-store' }, body: ready }
}

async function draftOf(exchange: Exchange, { header }: CmpMessage, { info = [] }: Reply): Promise<CmpHeaderDraft> {
  const { transactionId, senderNonce } = header
  const { active } = await exchange.door.authorityChain(exchange.profile.authorityId)
  return {
    pvno: Math.max(OLDEST, Math.min(NEWEST, header.pvno)),
    sender: directoryName(active?.certificate.subjectDer ?? NOBODY),
    recipient: header.sender,
    messageTime: exchange.now,
    ...(transactionId ? { transactionId } : {}),
    senderNonce: newNonce(exchange, transactionId),
    ...(senderNonce ? { recipNonce: senderNonce } : {}),
    generalInfo: info,
  }
}

async function maced(
  { algorithm, name, mac }: Extract<Sender, { by: 'secret' }>,
  draft: CmpHeaderDraft,
  { body, chain = [] }: Reply,
): Promise<Buffer> {
  const header = writeCmpHeader({ ...draft, protectionAlg: algorithm, senderKid: Buffer.from(name) })
  return writeCmpMessage({ header, body }, mac(protectedPart(header, body)), chain)
}

async function signed(
  exchange: Exchange,
  draft: CmpHeaderDraft,
  { body, chain = [], unsigned }: Reply,
): Promise<Buffer> {
  const key = unsigned ? undefined : await messageKey(exchange)
  if (!key) return writeCmpMessage({ header: writeCmpHeader(draft), body }, undefined, chain)
  const { subject, keyIdentifier } = keptBareCertificate(key.certificate)
  const header = writeCmpHeader({
    ...draft,
    sender: directoryName(subject),
    protectionAlg: schemes.sha256WithRSAEncryption.algorithm,
    ...(keyIdentifier ? { senderKid: keyIdentifier } : {}),
  })
  const above = key.issuers.filter((der) => !isRoot(der))
  const others = [...above, ...chain.filter((der) => !above.some((known) => known.equals(der)))]
  const protection = await key.sign(protectedPart(header, body), 'sha256')
  return writeCmpMessage({ header, body }, protection, [key.certificate, ...others])
}

async function messageKey({ door, profile, host }: Exchange): Promise<MessageKey | undefined> {
  try {
    return (await door.messageKeys(profile, { key: 'ra', size: 2048 }))[0]
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    host.log.warn({ err: error, profile: profile.name }, 'an answer over CMP goes unprotected')
    return undefined
  }
}
