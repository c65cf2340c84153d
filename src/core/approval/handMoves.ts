import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import {
  actingUser,
  type Held,
  holdRequest,
  mayHandle,
  mayWithdraw,
  moveHeld,
  requireVisible,
  subjectOf,
} from '../request/held.ts'
import type { RequestRef } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { requireWithdrawable } from '../upstream/upstreamWithdraw.ts'
import type { RequestKind } from './approval.ts'
import type { ApprovalContext } from './approvalContext.ts'
import { findDecision, settleDecision } from './decision.ts'
import { finish } from './vote.ts'

/** Locks a request for someone who asked for it himself or may manage it. Throws Failure('notFound' | 'forbidden'). */
export async function holdFor(
  db: Database,
  context: ApprovalContext,
  { kind, ref }: { kind: RequestKind; ref: RequestRef },
  who: 'requester or manager' | 'manager',
): Promise<Held> {
  const held = await holdRequest(db, kind, ref)
  const user = await actingUser(db, context.requester)
  requireVisible(held, context.requester, user)
  if (who === 'requester or manager' && mayWithdraw(held, context.requester, user)) return held
  if (await mayHandle(db, held, context.requester, 'manage')) return held
  throw new Failure('forbidden', `this needs ${who === 'manager' ? '' : 'the requester or '}somebody with manage`)
}

/**
 * Withdraws a request that waits, or that is being signed while no attempt runs.
 * Throws Failure: notFound, forbidden, conflict (an attempt runs, or it has ended).
 */
export async function cancel(
  context: ApprovalContext,
  kind: RequestKind,
  ref: RequestRef,
  reason?: string,
): Promise<void> {
  const text = checkedReason(reason ?? 'withdrawn')
  requirePerson(context, kind)
  await transaction(context.db, async (db) => {
    const held = await holdFor(db, context, { kind, ref }, 'requester or manager')
    const at = context.clock()
    await requireNoAttempt(db, held, at)
    await requireWithdrawable(db, held, { at, kept: false })
    await endDecision(db, held, at)
    const set = { reason: text }
    const details = { reason: text }
    await moveHeld(db, held, { sign: 'canceled', revoke: 'canceled', actor: context.requester, at, set, details })
  })
}

/** Gives up on a request by hand. Throws Failure: notFound, forbidden, malformed (no reason), conflict. */
export async function markFailed(
  context: ApprovalContext,
  kind: RequestKind,
  ref: RequestRef,
  reason: string,
): Promise<void> {
  const text = checkedReason(reason)
  requirePerson(context, kind)
  await transaction(context.db, async (db) => {
    const held = await holdFor(db, context, { kind, ref }, 'manager')
    const at = context.clock()
    await requireNoAttempt(db, held, at)
    await requireWithdrawable(db, held, { at, kept: true })
    await endDecision(db, held, at)
    const set = { reason: text }
    const details = { reason: text }
    await moveHeld(db, held, { sign: 'failed', revoke: 'failed', actor: context.requester, at, set, details })
  })
}

/**
 * A failed request goes back to be signed or revoked; one that is being signed or revoked makes its next attempt now.
 * Throws Failure: notFound, forbidden, conflict (it has ended otherwise, its client knows the failure already, or another request to
 * revoke the same certificate is open).
 */
export async function retry(context: ApprovalContext, kind: RequestKind, ref: RequestRef): Promise<{ status: string }> {
  const afterwards = await transaction(context.db, async (db) => {
    const held = await holdFor(db, context, { kind, ref }, 'requester or manager')
    const { status } = held.request
    if (status === 'failed') await retryFailed(db, context, held)
    else if (status === 'signing' || status === 'revoking') await retryNow(db, context, held)
    else throw new Failure('conflict', `a request that is ${status} cannot be tried again`)
    return context.retry(db, kind, held.request.id)
  }).catch((error: unknown) => {
    if (kind !== 'revoke' || !isUniqueViolation(error)) throw error
    const detail = 'something else is asked for this certificate and still open: that must be done or canceled first'
    throw new Failure('conflict', detail, { cause: error })
  })
  return finish(context, { kind, ref }, afterwards)
}

async function retryFailed(db: Database, context: ApprovalContext, held: Held): Promise<void> {
  if (held.answered) {
    throw new Failure(
      'conflict',
      'its client has been told that this order failed and will not ask for it again; its approval, if people gave one, ' +
        'is remembered for the next order',
    )
  }
  if (held.request.protocol === 'internal')
    throw new Failure('conflict', 'the installation has asked again by itself, or does: this order is tried no more')
  const decision = await findDecision(db, held.kind, held.request)
  if (!decision || !['auto', 'remembered', 'granted', 'approved'].includes(decision.outcome)) {
    throw new Failure('conflict', 'this request was never approved; ask again')
  }
  const at = context.clock()
  const set = { reason: null, last_error: null }
  await moveHeld(db, held, { sign: 'signing', revoke: 'revoking', actor: context.requester, at, set })
}

async function retryNow(db: Database, context: ApprovalContext, held: Held): Promise<void> {
  await audit(db, context.requester, context.clock(), {
    action: `${subjectOf(held).kind}.retry`,
    organizationId: held.request.organizationId,
    subject: subjectOf(held),
    status: held.request.status,
  })
}

/** A request is not taken away from an attempt that may be signing it at this moment. */
async function requireNoAttempt(db: Database, held: Held, at: Date): Promise<void> {
  if (held.kind !== 'sign' || held.request.status !== 'signing') return
  const attempt = await withTables<CoreTables>(db)
    .selectFrom('sign_attempts')
    .select('lease_until')
    .where('sign_request_id', '=', held.request.id)
    .where('number', '=', held.request.attempt)
    .where('lease_until', '>', at.getTime())
    .where('lease_owner', '<>', '')
    .executeTakeFirst()
  if (!attempt) return
  const retryAfter = Math.max(1, Math.ceil((attempt.lease_until - at.getTime()) / 1000))
  throw new Failure('conflict', 'an attempt to sign it is on its way; look again in a moment', { retryAfter })
}

/** Nobody votes on a request that has ended otherwise. */
async function endDecision(db: Database, { kind, request }: Held, at: Date): Promise<void> {
  const decision = await findDecision(db, kind, request)
  if (decision) await settleDecision(db, decision.id, { outcome: 'canceled', at })
}

/** A revocation that somebody asked for is not taken away by access to the data folder. Throws Failure('forbidden'). */
export function requirePerson({ requester }: ApprovalContext, kind: RequestKind): void {
  if (kind === 'sign' || requester.kind !== 'system') return
  const detail = 'a revocation is withdrawn, confirmed or given up by a person, with a token or password of his own'
  throw new Failure('forbidden', detail)
}

function checkedReason(reason: string): string {
  const text = reason.trim()
  if (text === '') throw new Failure('malformed', 'this needs a reason')
  if (text.length > 1000) throw new Failure('malformed', 'a reason has at most 1000 characters')
  return text
}
