import type { Database } from '../../db/open.ts'
import { skipLocked, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { holdRequest, moveHeld } from '../request/held.ts'
import { openRevoke, openSign } from '../request/openRequests.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { RequestKind } from './approval.ts'
import { findDecision, settleDecision } from './decision.ts'

const batch = 100

/** Ends the requests of both kinds on which nobody decided in time. Answers how many. */
export async function expireWaiting(db: Database, at: Date): Promise<number> {
  let ended = 0
  for (const due of [waitingToSign, waitingToRevoke, parked]) {
    for (let last = batch; last === batch; ended += last) {
      last = await transaction(db, (db) => expireBatch(db, due, at))
    }
  }
  return ended
}

interface Due {
  kind: RequestKind
  status: 'requested' | 'draft'
  /** The requester reads it. */
  reason: string
}

const unanswered = { status: 'requested', reason: 'nobody decided on this request in time; ask again' } as const
const waitingToSign: Due = { kind: 'sign', ...unanswered }
const waitingToRevoke: Due = { kind: 'revoke', ...unanswered }
const parked: Due = { kind: 'sign', status: 'draft', reason: 'the time in which this could be submitted is over' }

async function expireBatch(db: Database, due: Due, at: Date): Promise<number> {
  const rows = await skipLocked(db, dueForExpiry(db, due.kind, at, due.status)).execute()
  for (const { id } of rows) await expireOne(db, due, { id, at })
  return rows.length
}

/** Requests that wait, and on which nobody decided in time; or those parked ones whose time to be submitted is over. */
export function dueForExpiry(db: Database, kind: RequestKind, at: Date, status: Due['status'] = 'requested') {
  return withTables<CoreTables>(db)
    .selectFrom(kind === 'sign' ? 'sign_requests' : 'revoke_requests')
    .select('id')
    .where(kind === 'sign' ? openSign : openRevoke)
    .where('status', '=', status)
    .where('expires_at', '<=', at.getTime())
    .orderBy('id')
    .limit(batch)
}

async function expireOne(db: Database, { kind, reason }: Due, { id, at }: { id: number; at: Date }): Promise<void> {
  const held = await holdRequest(db, kind, id)
  const decision = await findDecision(db, kind, held.request)
  if (decision) await settleDecision(db, decision.id, { outcome: 'expired', at })
  await moveHeld(db, held, {
    sign: 'expired',
    revoke: 'expired',
    actor: system('expire'),
    at,
    set: { reason },
  })
}
