import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { raiseAlert } from '../audit/alert.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { moveRevokeRequest, moveSignRequest } from '../request/transition.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { storable } from '../text.ts'
import { restWork, type Work } from './upstreamWork.ts'

/** What nobody foresaw may be a fault of the data: it is not tried for ever, unless the CA may have issued. */
const unforeseenTries = 8
const longestPause = 600

/**
 * Trouble that may pass is noted, and the next look is later each time; a refusal ends the request with the CA's words. The work stays, for
 * who tries again.
 */
export async function settleUpstream(it: Installation, work: Work, error: unknown): Promise<void> {
  const detail =
    error instanceof Failure ? storable(error.detail) : 'asking the upstream CA failed; the log has the details'
  it.log.error({ err: error, [work.kind]: work.requestId, order: work.orderUrl }, 'an upstream CA could not be used')
  const waits = work.status === 'signing' || work.status === 'revoking'
  const passing = !waits || mayPass(error, work)
  const tries = work.tries + 1
  const pause = Math.min(longestPause, 2 * 2 ** Math.min(tries, 9))
  const seconds = passing ? ((error instanceof Failure ? error.retryAfter : undefined) ?? pause) : 0
  await transaction(it.db, async (db) => {
    const mine = await withTables<CoreTables>(db)
      .selectFrom('upstream_work')
      .select('id')
      .where('id', '=', work.id)
      .where('lease_owner', '=', work.owner)
      .executeTakeFirst()
    if (!mine) return
    if (passing) await note(db, it, work, detail)
    else await fail(db, it, work, detail)
    await restWork(db, it, work, { seconds, tries: passing ? tries : 0 })
  })
}

function mayPass(error: unknown, { tries, finalized }: Work): boolean {
  if (error instanceof Failure) return ['unavailable', 'internal', 'notFound'].includes(error.code)
  return finalized || tries < unforeseenTries
}

const tableOf = ({ kind }: Work) => (kind === 'sign' ? 'sign_requests' : 'revoke_requests') as 'sign_requests'

async function note(db: Database, it: Installation, work: Work, detail: string): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable(tableOf(work))
    .set({ last_error: detail, updated_at: it.clock().getTime() })
    .where('id', '=', work.requestId)
    .where('status', '=', work.status)
    .execute()
}

async function fail(db: Database, it: Installation, work: Work, detail: string): Promise<void> {
  const row = await withTables<CoreTables>(db)
    .selectFrom(tableOf(work))
    .select(['status', 'organization_id'])
    .where('id', '=', work.requestId)
    .executeTakeFirst()
  if (row?.status !== work.status) return
  const at = it.clock()
  const move = { id: work.requestId, to: 'failed', actor: system('upstream'), at } as const
  const set = { reason: detail, last_error: detail }
  if (work.kind === 'sign') await moveSignRequest(db, { ...move, from: 'signing', set })
  else await moveRevokeRequest(db, { ...move, from: 'revoking', set })
  await raiseAlert(db, at, {
    kind: work.kind === 'sign' ? 'order_failed' : 'revocation_failed',
    organizationId: row.organization_id,
    subject: { kind: work.kind === 'sign' ? 'sign_request' : 'revoke_request', id: work.requestId },
    detail,
  })
}
