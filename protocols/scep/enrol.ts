import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { SignDraft, SignRequest } from '../../src/core/request/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import type { Outcome } from './certRep.ts'
import { type Asking, byChallenge, keyHolder } from './challenge.ts'
import { openRequest } from './envelope.ts'
import { Refusal } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { orderTake, recoveryTake } from './limits.ts'
import type { PkiMessage } from './message.ts'
import { enqueueOutcome } from './outcome.ts'
import { signerOfOrder } from './signer.ts'
import { outcomeOf, recipient } from './success.ts'
import { profileFor } from './template.ts'
import {
  contentRef,
  findByContent,
  findTransaction,
  newOrigin,
  Overtaken,
  originOf,
  type Signer,
  storeTransaction,
  type Transaction,
  transactionRef,
} from './transaction.ts'

/** PKCSReq and RenewalReq: RFC 8894 sections 3.3.1, 4.3. */
export async function enrol(exchange: Exchange, message: PkiMessage): Promise<Outcome> {
  const signer = await signerOfOrder(exchange, message)
  const csr = await openRequest(exchange, message)
  // Before anything is issued that could not be delivered.
  recipient(message, csr.challengePassword)
  const asked = { ...exchange, profile: profileFor(exchange, csr) }
  const order: Order = { csr, signer, identifiers: exchange.door.requestedNames(asked.profile, csr), message }
  const request = await requestOf(asked, order)
  return outcomeOf(exchange, message, request, csr.challengePassword)
}

interface Order {
  csr: Csr
  signer: Signer
  identifiers: readonly Identifier[]
  message: PkiMessage
}

/** What is known of a transaction, at one look: itself, and the latest one with the same content. */
interface Known {
  ref: string
  content: string
  own: Transaction | undefined
  latest: Transaction | undefined
}

/** The request that this order is about: a new one, or the one that an earlier message has made. */
async function requestOf(exchange: Exchange, order: Order): Promise<SignRequest> {
  const { profile } = exchange
  const { csr, signer, identifiers, message } = order
  const ref = transactionRef(profile, message.transactionId, signer)
  const content = contentRef(exchange, signer, csr, identifiers)
  for (let tries = 0; tries < 20; tries++) {
    // Both at one point: what is planned must be overtaken by whatever has begun after this look.
    const own = await findTransaction(exchange.host.db, ref)
    const known: Known = { ref, content, own, latest: await findByContent(exchange.host.db, content) }
    try {
      return (await repeated(exchange, known)) ?? (await ordered(exchange, order, plan(known)))
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error
    }
  }
  throw new Refusal('badRequest', 'the same request arrives many times at once: ask again')
}

/**
 * A message that comes again is a poll, for as long as its answer stands; so is one of another transaction with the same key and names while the first one
 * waits, so that nobody has to approve twice (section 5.2).
 */
async function repeated(exchange: Exchange, known: Known): Promise<SignRequest | undefined> {
  const { host, door } = exchange
  const { ref, content, own, latest } = known
  if (own?.content === content) {
    const request = await door.findSignRequest(originOf(own.origin))
    if (request && (await stands(exchange, request))) return request
  }
  if (!latest || latest.ref === ref) return undefined
  const open = await door.findSignRequest(originOf(latest.origin))
  if (!open || open.endedAt) return undefined
  const joined = { ref, content, number: latest.number + 1, origin: latest.origin }
  await transaction(host.db, async (db) => {
    await storeTransaction(db, joined, exchange.now)
    await door.limits.take(db, recoveryTake(exchange, content))
  })
  return open
}

async function stands({ door, profile, now }: Exchange, request: SignRequest): Promise<boolean> {
  if (!request.endedAt) return true
  if (request.endedAt.getTime() + profile.settings.repeatWindow < now.getTime()) return false
  if (request.status !== 'signed') return true
  return (await door.findCertificate({ id: request.id }))?.status !== 'revoked'
}

function plan({ ref, content, own, latest }: Known): Transaction {
  if (own?.content === content) return own
  return { ref, content, number: latest ? latest.number + 1 : 0, origin: newOrigin(ref, content) }
}

async function ordered(exchange: Exchange, order: Order, planned: Transaction): Promise<SignRequest> {
  const { host, profile, now } = exchange
  const { csr, identifiers } = order
  const { requester, entitled, grant, ...renewal } = await asking(exchange, order)
  // Nobody vouches for it, and people would have to look at it.
  const charge = grant || renewal.renews !== undefined ? undefined : orderTake(exchange)
  const door = host.core.as(requester)
  const draft: SignDraft = {
    profile,
    protocol: 'scep',
    ...renewal,
    ...(exchange.issuer === undefined ? {} : { issuer: exchange.issuer }),
    origin: originOf(planned.origin),
    csr,
    identifiers,
    entitled,
    refusal: 'store',
  }
  const allowed = grant?.elsewhere
    ? { profile, transactionId: order.message.transactionId, spkiSha256: csr.publicKey.spkiHash }
    : undefined
  const claim = async (db: Database): Promise<void> => {
    await storeTransaction(db, planned, now)
    if (grant) await door.redeemChallenge(db, grant)
    if (allowed) await enqueueOutcome(host, db, allowed, { origin: planned.origin })
    if (charge) await door.limits.take(db, charge)
  }
  try {
    return (await door.sign(draft, claim)).request
  } catch (error) {
    // What allowed it hears of it, though there is no record.
    if (allowed && error instanceof Failure) {
      const refused = error.detail
      await transaction(host.db, (db) => enqueueOutcome(host, db, allowed, { refused }))
    }
    throw error
  }
}

/**
 * On what grounds an order is made. A renewal of the same names needs no challenge, and an old one in it counts for nothing (section 2.4); with other names it
 * is an order like any other, by somebody who is known.
 */
async function asking(
  exchange: Exchange,
  { csr, signer, identifiers, message }: Order,
): Promise<Asking & Pick<SignDraft, 'action' | 'renews'>> {
  const { certificate } = signer
  const { challengePassword: challenge } = csr
  // Which template the old certificate had is not known here: one that is asked for is a new wish.
  const sameKind = exchange.profile.variant === undefined
  const keeps = certificate && exchange.door.keepsNames(exchange.profile, certificate, { csr, identifiers })
  if (certificate && sameKind && keeps) {
    const action = certificate.spkiHash === csr.publicKey.spkiHash ? 'renew' : 'rekey'
    return { requester: certificateHolder(exchange, certificate), entitled: false, action, renews: certificate.id }
  }
  if (challenge) {
    const { transactionId } = message
    return { ...(await byChallenge(exchange, signer, { csr, identifiers, transactionId, challenge })), action: 'issue' }
  }
  if (message.type === 'RenewalReq' && !keeps)
    throw new Refusal(
      'badRequest',
      'a renewal has the subject and the names of its certificate: ask for others by PKCSReq',
    )
  if (certificate) return { requester: certificateHolder(exchange, certificate), entitled: false, action: 'issue' }
  if (exchange.options.withoutChallenge === 'refuse')
    throw new Refusal('badRequest', 'a request to this profile needs a challengePassword')
  return { requester: keyHolder(exchange.source, signer.spkiHash), entitled: false, action: 'issue' }
}

function certificateHolder({ source }: Exchange, { fingerprint, serial, subject }: Certificate): Requester {
  return {
    kind: 'client-certificate',
    ref: fingerprint,
    name: `the holder of ${subject || 'a certificate'}, serial ${serial}`,
    people: [],
    ...(source === undefined ? {} : { source }),
  }
}
