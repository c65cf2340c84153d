import { createHash } from 'node:crypto'
import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { RevokeDraft } from '../../src/core/request/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { type RevocationDetails, readRevocationRequest } from '../../src/pki/cmpBody.ts'
import { errorBody, pollRepBody, rpBody } from '../../src/pki/cmpWriter.ts'
import { sameName } from '../../src/pki/name.ts'
import { asRejection, CmpRefusal } from './errors.ts'
import type { Authenticated, Exchange, Reply } from './exchange.ts'
import { recoveryTake } from './limits.ts'
import { refuseEnded, requesterOf, type Sender, senderKey } from './sender.ts'
import { type Begun, findTransaction, storeTransaction, type Transaction, transactionRef } from './transaction.ts'

/** rr: RFC 9483 section 4.2. */
export async function revoke(exchange: Exchange, { message, sender }: Authenticated): Promise<Reply> {
  const { transactionId } = message.header
  const ref = transactionRef(transactionId, sender)
  const known = await findTransaction(exchange.host.db, ref)
  try {
    const [wanted, ...more] = readRevocationRequest(message.content)
    if (!wanted || more.length > 0)
      throw new CmpRefusal('badRequest', 'one revocation in a message: begin a transaction for each')
    // The same message again, by whoever has it, revokes nothing anew.
    if (known) return await outcomeOf(exchange, sender, known, false)
    const certificate = await findNamed(exchange, wanted)
    const revoker = certificate && revokerOf(exchange, sender, certificate)
    if (!certificate || !revoker) throw notYours(sender)
    const { reason, invalidityDate } = wanted
    const begun: Begun = {
      ref,
      body: 'rr',
      content: createHash('sha256').update(message.content.der).digest('hex'),
      origin: ref,
      certificate: certificate.id,
      implicit: false,
      ...(reason === undefined ? {} : { reason }),
    }
    const store = { transactionId, sender, begun }
    const asked = exchange.host.core.as(revoker.requester).revoke(
      {
        protocol: 'cmp',
        certificate: certificate.id,
        grounds: revoker.grounds,
        ...(reason === undefined ? {} : { reason }),
        ...(invalidityDate ? { invalidityDate } : {}),
      },
      (db) => storeTransaction(db, exchange, store),
    )
    const { status, reason: refused } = await asked.catch(async (error: unknown) => {
      // Once a hold is lifted, the same message would be a new one.
      if (error instanceof Failure && error.code === 'alreadyRevoked') await storeAnother(exchange, store)
      throw error
    })
    // One that was asked for before, in another transaction or otherwise, came without the claim.
    if (!(await findTransaction(exchange.host.db, ref))) await storeAnother(exchange, store)
    return told(status, refused, exchange, false)
  } catch (error) {
    if (error instanceof CmpRefusal && error.generic) throw error
    return { body: rpBody(asRejection(error, exchange)) }
  }
}

/** A row that is kept as long as the certificate, for nothing new. */
async function storeAnother(exchange: Exchange, store: Parameters<typeof storeTransaction>[2]): Promise<void> {
  const about = `rr ${senderKey(store.sender)} ${store.begun.certificate}`
  await transaction(exchange.host.db, async (db) => {
    await storeTransaction(db, exchange, store)
    await exchange.door.limits.take(db, recoveryTake(exchange, about))
  })
}

/** An unknown certificate and somebody else's are told apart for registration authorities alone. */
const notYours = (sender: Sender) =>
  sender.by === 'certificate' && sender.registrationAuthority
    ? new CmpRefusal('badCertId', 'there is no certificate of this authority with this issuer and serial number')
    : new CmpRefusal('notAuthorized', 'there is no certificate of yours with this issuer and serial number')

async function findNamed(
  { door, profile }: Exchange,
  { issuer, serial }: RevocationDetails,
): Promise<Certificate | undefined> {
  const certificate = await door.findCertificate({ serial, authority: profile.authorityId })
  if (!certificate) return undefined
  const { active, earlier } = await door.authorityChain(profile.authorityId)
  const by = [active, ...earlier].find((each) => each?.id === certificate.authorityCertificateId)
  return by && sameName(by.certificate.subject, issuer) ? certificate : undefined
}

type Revoker = { requester: Requester } & Pick<RevokeDraft, 'grounds'>

/** By the key of the certificate, by the secret with which it was ordered, or by a registration authority, whom the profile's rules judge. */
function revokerOf(exchange: Exchange, sender: Sender, certificate: Certificate): Revoker | undefined {
  const requester = requesterOf(exchange, sender, certificate.spkiHash)
  const ordered = certificate.requesterKey === `${requester.kind}:${requester.ref}`
  if (sender.by !== 'certificate') return ordered ? { requester, grounds: 'account' } : undefined
  if (sender.certificate.spkiHash === certificate.spkiHash) return { requester, grounds: 'key' }
  refuseEnded(sender)
  if (!sender.registrationAuthority) return undefined
  return { requester, grounds: ordered ? 'account' : 'registrationAuthority' }
}

/** Where the revocation of a transaction stands. What is asked here makes no new one: the claim refuses. */
export async function outcomeOf(
  exchange: Exchange,
  sender: Sender,
  { certificate: id, reason }: Transaction,
  polled: boolean,
): Promise<Reply> {
  const certificate = id === undefined ? undefined : await exchange.door.findCertificate({ id })
  const revoker = certificate && revokerOf(exchange, sender, certificate)
  if (!certificate || !revoker) throw notYours(sender)
  const { requester, grounds } = revoker
  const draft = { protocol: 'cmp', certificate: certificate.id, grounds, ...(reason === undefined ? {} : { reason }) }
  try {
    const { status, reason: refused } = await exchange.host.core.as(requester).revoke(draft, async () => {
      throw new CmpRefusal('badRequest', 'this transaction is over: begin another one')
    })
    return told(status, refused, exchange, polled)
  } catch (error) {
    if (error instanceof Failure && error.code === 'alreadyRevoked') return told('revoked', undefined, exchange, polled)
    return { body: rpBody(asRejection(error, exchange)) }
  }
}

type Status = 'requested' | 'revoking' | 'revoked' | 'denied' | 'expired' | 'canceled' | 'failed'

/** Of the whole answer, which has no certReqId (RFC 9483 section 4.4). */
const WHOLE = -1n

function told(status: Status, reason: string | undefined, { options }: Exchange, polled: boolean): Reply {
  switch (status) {
    case 'revoked':
      return { body: rpBody({ status: 'accepted' }) }
    case 'requested':
    case 'revoking': {
      const text = status === 'requested' ? 'the revocation waits for approval' : 'the certificate is being revoked'
      if (polled) return { body: pollRepBody(WHOLE, Math.ceil(options.checkAfter / 1000), text) }
      return { body: errorBody({ status: 'waiting', text }) }
    }
    case 'denied':
    case 'expired':
    case 'canceled':
    case 'failed':
      throw new CmpRefusal('notAuthorized', reason ?? 'the revocation was not carried out')
  }
}
