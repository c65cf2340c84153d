import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { loadAuthority } from '../authority/authority.ts'
import { upstreamSettings } from '../authority/upstreamSettings.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { readRevokeRequest, readSignRequest } from '../request/records.ts'
import type { CoreTables } from '../tables.ts'
import { abandonOrder } from './upstreamAbandon.ts'
import { type Again, advanceOrder } from './upstreamOrder.ts'
import type { Errand } from './upstreamProof.ts'
import { revokeUpstream } from './upstreamRevoke.ts'
import { settleUpstream } from './upstreamTrouble.ts'
import { claimWork, findWork, Overtaken, restWork, type Work } from './upstreamWork.ts'

/** Pauses between looks at an order with nothing new, in seconds. */
const longestPause = 300

/**
 * Does at upstream CAs what is due there: orders that were approved, and revocations. Several nodes may call it at once; after a
 * crash the next call goes on. Answers how much was done.
 */
export async function runUpstream(it: Installation): Promise<number> {
  if (!(await findWork(it))) return 0
  const claimed = await claimWork(it)
  await Promise.all(claimed.map((work) => runOne(it, work)))
  return claimed.length
}

async function runOne(it: Installation, work: Work): Promise<void> {
  try {
    const errand = await errandOf(it, work)
    if (work.status !== 'signing' && work.status !== 'revoking') return await abandonOrder(errand)
    if (work.kind === 'revoke') return await revokeUpstream(errand, await readRevokeRequest(it.db, work.requestId))
    const again = await advanceOrder(errand, await readSignRequest(it.db, work.requestId))
    if (again) await rest(it, work, again)
  } catch (error) {
    if (error instanceof Overtaken) return
    await settleUpstream(it, work, error).catch((cause: unknown) => {
      // Its lease runs out, and the next look is made then.
      it.log.error({ err: cause, [work.kind]: work.requestId }, 'trouble with an upstream CA could not be noted')
    })
  }
}

async function errandOf(it: Installation, work: Work): Promise<Errand> {
  const { name, enabled, signs, settings } = await loadAuthority(it, work.authorityId)
  const waits = work.kind === 'sign' && work.status === 'signing' && !work.finalized
  if (!enabled && waits) throw new Failure('unavailable', `the authority ${name} is switched off`)
  if (!signs.upstream) throw new Failure('unavailable', `the authority ${name} has no account at an upstream CA`)
  return { it, work, upstream: signs.upstream, settings: settings.upstream ?? upstreamSettings.parse({}) }
}

/** What was wrong at the last look is right again. */
async function rest(it: Installation, work: Work, { seconds, moved }: Again): Promise<void> {
  const tries = moved ? 0 : work.tries + 1
  await transaction(it.db, async (db) => {
    await restWork(db, it, work, { tries, seconds: seconds ?? Math.min(longestPause, 2 ** Math.min(tries, 9)) })
    await withTables<CoreTables>(db)
      .updateTable('sign_requests')
      .set({ last_error: null })
      .where('id', '=', work.requestId)
      .where('status', '=', 'signing')
      .where('last_error', 'is not', null)
      .execute()
  })
}
