import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { type Answered, statement } from '../../db/tables.ts'
import { closeWaiting } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { type Moved, tallyMoved } from '../measure.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { RevokeStatus, SignStatus } from './request.ts'

/** Which moves exist (docs/issuance-cycle.md). `signing → canceled` asks for more: no attempt may hold a lease. */
export const signMoves = {
  draft: ['requested', 'signing', 'denied', 'canceled', 'expired', 'failed'],
  requested: ['signing', 'denied', 'canceled', 'expired', 'failed'],
  signing: ['signed', 'failed', 'canceled'],
  signed: [],
  denied: [],
  expired: [],
  canceled: [],
  failed: ['signing'],
} as const satisfies Record<SignStatus, readonly SignStatus[]>

export const revokeMoves = {
  requested: ['revoking', 'revoked', 'denied', 'canceled', 'expired', 'failed'],
  revoking: ['revoked', 'failed', 'canceled'],
  revoked: [],
  denied: [],
  expired: [],
  canceled: [],
  failed: ['revoking'],
} as const satisfies Record<RevokeStatus, readonly RevokeStatus[]>

export interface Move<Status> {
  id: number
  from: Status
  to: Status
  actor: Requester
  at: Date
  /** Other columns that change with the status. */
  set?: Record<string, string | number | Buffer | null>
  /** Further columns that must still have these values: the attempt's number, the revision. */
  where?: Record<string, string | number>
  details?: Record<string, unknown>
}

const open: ReadonlySet<string> = new Set(['draft', 'requested', 'signing', 'revoking'])

/**
 * Moves a SignRequest, with its audit row, in the caller's transaction. Of two racing moves one wins; the other throws
 * Failure('conflict').
 */
export async function moveSignRequest(db: Database, move: Move<SignStatus>): Promise<void> {
  const allowed: readonly SignStatus[] = signMoves[move.from]
  await update(db, updateSign, 'sign_request', allowed.includes(move.to), move)
}

/** As moveSignRequest, for a RevokeRequest. */
export async function moveRevokeRequest(db: Database, move: Move<RevokeStatus>): Promise<void> {
  const allowed: readonly RevokeStatus[] = revokeMoves[move.from]
  await update(db, updateRevoke, 'revoke_request', allowed.includes(move.to), move)
}

type Columns = Record<string, string | number | Buffer | null>

const updateSign = updateOf('sign_requests')
const updateRevoke = updateOf('revoke_requests')

/** Both columns and conditions come from this module's callers, never from a client. */
function updateOf(table: 'sign_requests' | 'revoke_requests') {
  return statement((tables: Kysely<CoreTables>, set: Columns, where: Columns) => {
    let query = tables.updateTable(table).set(set)
    for (const [column, value] of Object.entries(where)) query = query.where(column as 'id', '=', value as number)
    // The reason of a revocation stands in another column of the other table, and tells orders' actions apart here.
    const what = sql.ref<string | null>(table === 'sign_requests' ? 'action' : 'code').as('what')
    return query.returning(['organization_id', 'protocol', 'profile_id', 'created_at', what])
  })
}

async function update(
  db: Database,
  run: (db: Database, set: Columns, where: Columns) => Promise<Answered<Moved>>,
  kind: 'sign_request' | 'revoke_request',
  allowed: boolean,
  move: Move<SignStatus> | Move<RevokeStatus>,
): Promise<void> {
  if (!allowed) throw new Failure('conflict', `a request that is ${move.from} cannot become ${move.to}`)
  const at = move.at.getTime()
  const set = {
    expires_at: null,
    ...move.set,
    status: move.to,
    updated_at: at,
    ended_at: open.has(move.to) ? null : at,
  }
  const [moved] = (await run(db, set, { id: move.id, status: move.from, ...move.where })).rows
  if (!moved) throw new Failure('conflict', `the request is no longer ${move.from}; look at it again`)
  await audit(db, move.actor, move.at, {
    action: `${kind}.${move.to}`,
    organizationId: moved.organization_id,
    subject: { kind, id: move.id },
    status: move.to,
    details: { from: move.from, ...move.details },
  })
  tallyMoved(db, kind, moved, move)
  if (move.from === 'requested') await closeWaiting(db, move.at, { kind, id: move.id })
}
