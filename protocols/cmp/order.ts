import type { SignDraft, SignRequest } from '../../src/core/request/request.ts'
import { transaction } from '../../src/db/transaction.ts'
import { isNamed } from '../../src/http/namedBy.ts'
import { certRepBody } from '../../src/pki/cmpWriter.ts'
import { readKeptRequest } from '../../src/pki/crmf.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { sameName } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { asRejection, CmpRefusal } from './errors.ts'
import type { Authenticated, Exchange, Reply } from './exchange.ts'
import { orderTake, recoveryTake } from './limits.ts'
import { answers, type OrderType, outcomeOf } from './outcome.ts'
import { askedId, checkAsked, profileFor, type Requested, readRequested } from './requested.ts'
import { isEntitled, requesterOf, type Sender } from './sender.ts'
import {
  type Begun,
  contentRef,
  findByContent,
  findTransaction,
  isOvertaken,
  type Latest,
  originOf,
  storeTransaction,
  type Transaction,
  transactionRef,
} from './transaction.ts'

/** ir, cr, kur and p10cr: RFC 9483 section 4.1. What is wrong with the request is told in its own answer (section 3.6.2). */
export async function order(exchange: Exchange, type: OrderType, asked: Authenticated): Promise<Reply> {
  try {
    const ordered = await orderedBy(exchange, type, asked)
    const { request, begun } = await requestOf(ordered)
    return await outcomeOf({ ...ordered, begun, polled: false }, request)
  } catch (error) {
    if (error instanceof CmpRefusal && error.generic) throw error
    const info = asRejection(error, exchange)
    return { body: certRepBody(answers[type], { certReqId: askedId(type, asked.message), info }) }
  }
}

interface Ordered extends Requested {
  exchange: Exchange
  type: OrderType
  sender: Sender
  identifiers: readonly Identifier[]
  action: Pick<SignDraft, 'action' | 'renews'>
  transactionId: Buffer
  implicit: boolean
}

async function orderedBy(given: Exchange, type: OrderType, asked: Authenticated): Promise<Ordered> {
  const { message, sender } = asked
  const requested = readRequested(type, asked)
  await checkAsked(given, { type, sender }, requested)
  const exchange = { ...given, profile: profileFor(given, message) }
  const identifiers = exchange.door.requestedNames(exchange.profile, requested.csr)
  const wantsNoConf = message.header.generalInfo.some(({ oid }) => oid === OID.cmpImplicitConfirm)
  return {
    ...requested,
    exchange,
    type,
    sender,
    identifiers,
    action: actionOf(exchange, type, sender, { csr: requested.csr, identifiers }),
    transactionId: message.header.transactionId,
    implicit: wantsNoConf && exchange.options.implicitConfirm,
  }
}

/** By the same names it is a renewal, whatever the message is called; a kur is nothing else (section 4.1.3). */
function actionOf(
  { door, profile }: Exchange,
  type: OrderType,
  sender: Sender,
  asked: { csr: Requested['csr']; identifiers: readonly Identifier[] },
): Ordered['action'] {
  const own = sender.by === 'certificate' && !sender.registrationAuthority ? sender.certificate : undefined
  if (type === 'kur' && !own)
    throw new CmpRefusal('notAuthorized', 'a kur is signed with the certificate that it renews')
  const keeps = own && profile.variant === undefined && door.keepsNames(profile, own, asked)
  if (own && keeps) return { action: own.spkiHash === asked.csr.publicKey.spkiHash ? 'renew' : 'rekey', renews: own.id }
  if (type === 'kur')
    throw new CmpRefusal(
      'badCertTemplate',
      'a kur has the subject and the names of the certificate that it renews: ask for others by cr',
    )
  return { action: 'issue' }
}

/** The request that this order is about: a new one, or the one that an earlier message has made. */
async function requestOf(ordered: Ordered): Promise<{ request: SignRequest; begun: Transaction }> {
  const { exchange, type, sender, transactionId, implicit } = ordered
  const { host } = exchange
  const ref = transactionRef(transactionId, sender)
  const content = contentRef(exchange, sender, ordered)
  const known = await findTransaction(host.db, ref)
  if (known) return repeated(ordered, known)
  const planned = { ref, body: type, content, origin: ref, implicit }
  for (let tries = 0; tries < 5; tries++) {
    const latest = await findByContent(host.db, content)
    const waiting = latest && (await recovered(ordered, planned, latest))
    if (waiting) return waiting
    const request = await newRequest(ordered, planned, latest).catch(orOvertaken)
    if (request)
      return {
        request,
        begun: (await findTransaction(host.db, ref)) ?? { ...planned, confirmed: false, rejected: false },
      }
  }
  throw new CmpRefusal('systemUnavail', 'the same order arrives many times at once: ask again')
}

/** Thrown in the transaction of an order that finds another with the same content there, so that nothing of it is stored. */
class Overtaken extends Error {}

function orOvertaken(error: unknown): undefined {
  if (!(error instanceof Overtaken)) throw error
}

/** A message that comes again is a question; another one in its transaction is refused (RFC 9810 section 5.1.1). */
async function repeated(
  { exchange, type, csr }: Ordered,
  known: Transaction,
): Promise<{ request: SignRequest; begun: Transaction }> {
  const request = await exchange.door.findSignRequest(originOf(known.origin))
  const kept = request?.csr && readKeptRequest(request.csr)
  const same =
    kept &&
    known.body === type &&
    kept.publicKey.spkiHash === csr.publicKey.spkiHash &&
    sameName(kept.subject, csr.subject) &&
    namesKey(kept) === namesKey(csr)
  if (request && same) return { request, begun: known }
  throw inUse()
}

const namesKey = ({ identifiers }: Csr): string => JSON.stringify(identifiers.map(({ type, value }) => [type, value]))

const inUse = () =>
  new CmpRefusal('transactionIdInUse', 'this transactionID is another request’s: begin with a new one', {
    generic: true,
  })

/** While an order waits, a new transaction of the same sender with the same key and names is about that: nobody approves twice. */
async function recovered(
  { exchange, sender, transactionId }: Ordered,
  planned: Begun,
  latest: Transaction,
): Promise<{ request: SignRequest; begun: Transaction } | undefined> {
  const { host, door } = exchange
  const request = await door.findSignRequest(originOf(latest.origin))
  if (!request || request.endedAt || latest.body !== planned.body) return undefined
  const joined = { ...planned, origin: latest.origin }
  await transaction(host.db, async (db) => {
    await storeTransaction(db, exchange, { transactionId, sender, begun: joined })
    await door.limits.take(db, recoveryTake(exchange, planned.content))
  })
  return { request, begun: { ...joined, confirmed: false, rejected: false } }
}

/** `latest`: the one before with the same content, of which nothing waits. Throws Overtaken where there is another one by now. */
async function newRequest(ordered: Ordered, planned: Begun, latest: Latest | undefined): Promise<SignRequest> {
  const { exchange, sender, csr, crmf, identifiers, action, transactionId } = ordered
  const { host, profile, door: anyone } = exchange
  const credential = sender.by === 'secret' ? sender.credential.id : undefined
  const bound = credential === undefined ? undefined : await anyone.admitCredential(host.db, credential, identifiers)
  const asked = { subject: csr.subject, identifiers }
  const entitled = sender.by === 'secret' ? bound?.bound === true && isNamed(profile, asked) : isEntitled(sender, asked)
  const door = host.core.as(requesterOf(exchange, sender, csr.publicKey.spkiHash))
  const charge = orderTake(exchange, sender, action)
  const draft: SignDraft = {
    profile,
    protocol: 'cmp',
    ...action,
    origin: originOf(planned.origin),
    once: true,
    csr,
    identifiers,
    ...(crmf?.notBefore ? { notBefore: crmf.notBefore } : {}),
    ...(crmf?.notAfter ? { notAfter: crmf.notAfter } : {}),
    entitled,
    refusal: 'store',
  }
  const { request, repeat } = await door.sign(draft, async (db) => {
    if (await isOvertaken(db, planned, latest?.ref)) throw new Overtaken()
    if (credential !== undefined) {
      await door.admitCredential(db, credential, identifiers, 'commit')
      await door.redeemCredential(db, credential)
    }
    await storeTransaction(db, exchange, {
      transactionId,
      sender,
      begun: planned,
      ...(latest ? { before: latest } : {}),
    })
    if (charge) await door.limits.take(db, charge)
  })
  if (repeat) return (await repeated(ordered, { ...planned, confirmed: false, rejected: false })).request
  return request
}
