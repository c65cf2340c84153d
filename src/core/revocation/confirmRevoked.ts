import { transaction } from '../../db/transaction.ts'
import type { ApprovalContext } from '../approval/approvalContext.ts'
import { holdFor, requirePerson } from '../approval/handMoves.ts'
import { Failure } from '../failure.ts'
import type { RequestRef } from '../request/request.ts'
import { lifting } from './hold.ts'
import { carryOut } from './revoke.ts'

/**
 * Somebody says that the authority elsewhere has revoked it, or lifted its hold, as the request asks: from this commit on that is
 * so here, and `status` says which. Throws Failure: notFound, forbidden (no manage, no person), conflict (it waits for no authority).
 */
export async function confirmRevoked(context: ApprovalContext, ref: RequestRef): Promise<{ status: string }> {
  requirePerson(context, 'revoke')
  return transaction(context.db, async (db) => {
    const held = await holdFor(db, context, { kind: 'revoke', ref }, 'manager')
    if (held.kind !== 'revoke' || held.request.status !== 'revoking')
      throw new Failure('conflict', `a request that is ${held.request.status} does not wait for its authority`)
    await carryOut(db, held.request, { approved: false, actor: context.requester, at: context.clock() })
    return { status: held.request.code === lifting ? 'lifted' : 'revoked' }
  })
}
