import { transaction } from '../../db/transaction.ts'
import { Failure } from '../failure.ts'
import { type Errand, hideProofs } from './upstreamProof.ts'
import { endWork, keepWork, restWork } from './upstreamWork.ts'

const mostTries = 5

/**
 * Nobody waits for this order any more: what it has shown to the world goes, and what the CA still waits for is given up there. What
 * is proved already may serve other orders, and stays. A CA that does not answer is asked a few times.
 */
export async function abandonOrder(errand: Errand): Promise<void> {
  const { it, work } = errand
  await hideProofs(it, work)
  try {
    await deactivate(errand)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    if (error.code === 'unavailable' && work.tries < mostTries) {
      const tries = work.tries + 1
      return transaction(it.db, (db) => restWork(db, it, work, { tries, seconds: 30 * tries }))
    }
    it.log.warn({ err: error, order: work.orderUrl }, 'an order that was withdrawn is left as it is at the upstream CA')
  }
  await transaction(it.db, (db) => endWork(db, it, work))
}

async function deactivate({ it, work, upstream }: Errand): Promise<void> {
  if (work.kind !== 'sign' || work.orderUrl === undefined) return
  const { status, authorizations } = await upstream.order(work.orderUrl)
  if (status !== 'pending') return
  for (const url of authorizations) {
    await transaction(it.db, (db) => keepWork(db, it, work))
    if ((await upstream.authorization(url)).status === 'pending') await upstream.deactivate(url)
  }
}
