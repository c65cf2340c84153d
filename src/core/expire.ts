import type { Database } from '../db/open.ts'
import { skipLocked, withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import type { RequestKind } from './approval.ts'
import { findDecision, settleDecision } from './decision.ts'
import { holdRequest, moveHeld } from './held.ts'
import { openRevoke, openSign } from './openRequests.ts'
import { system } from './requester.ts'
import type { CoreTables } from './tables.ts'

const batch = 100

/** Ends the requests of both kinds on which nobody decided in time. Answers how many. */
export async function expireWaiting(db: Database, at: Date): Promise<number> {
  let ended = 0
  for (const kind of ['sign', 'revoke'] as const) {
    for (let last = batch; last === batch; ended += last) {
      last = await transaction(db, (db) => expireBatch(db, kind, at))
    }
  }
  return ended
}

async function expireBatch(db: Database, kind: RequestKind, at: Date): Promise<number> {
  const rows = await skipLocked(db, dueForExpiry(db, kind, at)).execute()
  for (const { id } of rows) await expireOne(db, kind, { id, at })
  return rows.length
}

/** Requests that wait, and on which nobody decided in time. */
export function dueForExpiry(db: Database, kind: RequestKind, at: Date) {
  return withTables<CoreTables>(db)
    .selectFrom(kind === 'sign' ? 'sign_requests' : 'revoke_requests')
    .select('id')
    .where(kind === 'sign' ? openSign : openRevoke)
    .where('status', '=', 'requested')
    .where('expires_at', '<=', at.getTime())
    .orderBy('id')
    .limit(batch)
}

async function expireOne(db: Database, kind: RequestKind, { id, at }: { id: number; at: Date }): Promise<void> {
  const held = await holdRequest(db, kind, id)
  const decision = await findDecision(db, kind, held.request)
  if (decision) await settleDecision(db, decision.id, { outcome: 'expired', at })
  await moveHeld(db, held, {
    sign: 'expired',
    revoke: 'expired',
    actor: system('expire'),
    at,
    set: { reason: 'nobody decided on this request in time; ask again' },
  })
}
