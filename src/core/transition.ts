import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { audit } from './audit.ts'
import { Failure } from './failure.ts'
import type { RevokeStatus, SignStatus } from './request.ts'
import type { Requester } from './requester.ts'
import type { CoreTables } from './tables.ts'

/** Which moves exist (docs/issuance-cycle.md). `signing → canceled` asks for more: no attempt may hold a lease. */
export const signMoves = {
  draft: ['requested', 'canceled', 'denied', 'failed'],
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
  set?: Record<string, string | number | null>
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
  await update(db, 'sign_requests', 'sign_request', allowed.includes(move.to), move)
}

/** As moveSignRequest, for a RevokeRequest. */
export async function moveRevokeRequest(db: Database, move: Move<RevokeStatus>): Promise<void> {
  const allowed: readonly RevokeStatus[] = revokeMoves[move.from]
  await update(db, 'revoke_requests', 'revoke_request', allowed.includes(move.to), move)
}

async function update(
  db: Database,
  table: 'sign_requests' | 'revoke_requests',
  kind: 'sign_request' | 'revoke_request',
  allowed: boolean,
  move: Move<string>,
): Promise<void> {
  if (!allowed) throw new Failure('conflict', `a request that is ${move.from} cannot become ${move.to}`)
  const at = move.at.getTime()
  let query = withTables<CoreTables>(db)
    .updateTable(table)
    .set({
      ...move.set,
      status: move.to,
      updated_at: at,
      ended_at: open.has(move.to) ? null : at,
      ...(move.to === 'requested' ? {} : { expires_at: null }),
    })
    .where('id', '=', move.id)
    .where('status', '=', move.from)
  for (const [column, value] of Object.entries(move.where ?? {}))
    query = query.where(column as 'id', '=', value as number)
  const moved = await query.returning('organization_id').executeTakeFirst()
  if (!moved) throw new Failure('conflict', `the request is no longer ${move.from}; look at it again`)
  await audit(db, move.actor, move.at, {
    action: `${kind}.${move.to}`,
    organizationId: moved.organization_id,
    subject: { kind, id: move.id },
    status: move.to,
    details: { from: move.from, ...move.details },
  })
}
