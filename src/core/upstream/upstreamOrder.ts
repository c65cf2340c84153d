import { transaction } from '../../db/transaction.ts'
import { findDecision } from '../approval/decision.ts'
import type { Upstream, UpstreamOrder } from '../authority/upstreamCa.ts'
import { Failure } from '../failure.ts'
import { refuseBlockedKey } from '../issuance/attempt.ts'
import type { SignRequest } from '../request/request.ts'
import { takeCertificate } from './upstreamCertificate.ts'
import { upstreamCsr } from './upstreamCsr.ts'
import { type Errand, hideProofs, proveNames } from './upstreamProof.ts'
import { keepWork } from './upstreamWork.ts'

/** When to look again, in seconds, where the CA names no time. */
export interface Again {
  seconds?: number
  /** The order is further than it was at the last look. */
  moved: boolean
}

/** So far one look takes an order that the CA lets pass at once: new, ready, finalized, valid. */
const mostSteps = 5

/**
 * One look at the order of an approved request: makes it, proves its names, has the certificate issued and takes it. Undefined: the certificate is
 * there. After a crash the next look goes on with the same order. Throws Failure with what the CA said; `unavailable` and notFound
 * may pass.
 */
export async function advanceOrder(errand: Errand, request: SignRequest): Promise<Again | undefined> {
  const csr = await admit(errand, request)
  let order = await currentOrder(errand, request)
  for (let step = 1; step <= mostSteps; step++) {
    switch (order.status) {
      case 'pending':
        await proveNames(errand, order)
        return again(order, step > 1)
      case 'ready':
        order = await finalize(errand, request, { order, csr })
        if (order.status === 'ready') return again(order, true)
        break
      case 'processing':
        return again(order, step > 1)
      case 'valid':
        await take(errand, request, order)
        return undefined
      case 'invalid':
        return refuseInvalid(errand, order)
    }
  }
  return again(order, false)
}

function again({ retryAfter }: UpstreamOrder, moved: boolean): Again {
  return { moved, ...(retryAfter === undefined ? {} : { seconds: retryAfter }) }
}

/** Nothing goes upstream that was not approved, or whose key was blocked since. Answers the CSR. */
async function admit({ it, work }: Errand, request: SignRequest): Promise<Buffer> {
  const decision = await findDecision(it.db, 'sign', request)
  if (!decision || !passing.has(decision.outcome))
    throw new Failure('conflict', 'no decision lets this request pass as it stands now')
  const { der, publicKey } = upstreamCsr(request)
  if (!work.finalized) await refuseBlockedKey(it.db, publicKey.spkiHash)
  return der
}

const passing: ReadonlySet<string> = new Set(['auto', 'remembered', 'granted', 'approved'])

/** The order of the last look, as long as the CA knows it; else a new one, whose URL is stored before anything else is done. */
async function currentOrder({ it, work, upstream }: Errand, request: SignRequest): Promise<UpstreamOrder> {
  if (work.orderUrl !== undefined) {
    try {
      return await upstream.order(work.orderUrl)
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'notFound') throw error
      it.log.warn({ err: error, request: request.uuid, order: work.orderUrl }, 'the upstream CA has lost an order')
      await forgetOrder({ it, work })
    }
  }
  const order = await upstream.newOrder(request.wanted.identifiers)
  await transaction(it.db, (db) => keepWork(db, it, work, { order_url: order.url, finalized: 0 }))
  work.orderUrl = order.url
  return order
}

async function finalize(
  { it, work, upstream }: Errand,
  request: SignRequest,
  { order, csr }: { order: UpstreamOrder; csr: Buffer },
): Promise<UpstreamOrder> {
  // From here on a withdrawal is refused: what the CA issues must have somebody who takes it.
  await transaction(it.db, (db) => keepWork(db, it, work, { finalized: 1 }))
  work.finalized = true
  it.log.info({ request: request.uuid, order: order.url }, 'an order is finalized at the upstream CA')
  try {
    return await upstream.finalize(order, csr)
  } catch (error) {
    // Refused outright, nothing is being issued.
    if (error instanceof Failure && error.code === 'badCsr')
      await transaction(it.db, (db) => keepWork(db, it, work, { finalized: 0 }))
    throw error
  }
}

async function take({ it, work, upstream }: Errand, request: SignRequest, order: UpstreamOrder): Promise<void> {
  if (order.certificate === undefined)
    throw new Failure('unavailable', 'the upstream CA says that the certificate is there, and not where')
  const chain = await upstream.download(order.certificate)
  await hideProofs(it, work)
  try {
    await takeCertificate(it, { work, request }, chain)
  } catch (error) {
    // It will not become another one: who tries again orders anew.
    if (error instanceof Failure && error.code === 'conflict') await forgetOrder({ it, work })
    throw error
  }
}

/** Who tries again needs a new order. */
async function refuseInvalid({ it, work, upstream }: Errand, order: UpstreamOrder): Promise<never> {
  const why = order.error ?? (await whyInvalid(upstream, order))
  await hideProofs(it, work)
  await forgetOrder({ it, work })
  throw new Failure('rejectedIdentifier', `the upstream CA refused the order: ${why}`)
}

/** What the CA says of the first authorization that is not valid. */
async function whyInvalid(upstream: Upstream, { authorizations }: UpstreamOrder): Promise<string> {
  for (const url of authorizations.slice(0, 100)) {
    const { name, status, challenges } = await upstream.authorization(url)
    const error = challenges.find(({ error }) => error !== undefined)?.error
    if (error !== undefined) return `${name}: ${error}`
    if (status !== 'valid' && status !== 'pending') return `${name}: the authorization is ${status}`
  }
  return 'it is invalid, and it does not say why'
}

async function forgetOrder({ it, work }: Pick<Errand, 'it' | 'work'>): Promise<void> {
  await transaction(it.db, (db) => keepWork(db, it, work, { order_url: null, finalized: 0 }))
  work.orderUrl = undefined
  work.finalized = false
}
