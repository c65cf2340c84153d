import { decide } from '../profile/decide.ts'
import { confirmRevoked } from '../revocation/confirmRevoked.ts'
import type { Approvals } from './approval.ts'
import type { ApprovalContext } from './approvalContext.ts'
import { cancel, markFailed, retry } from './handMoves.ts'
import { comment, review } from './review.ts'
import { vote } from './vote.ts'

export type { ApprovalContext } from './approvalContext.ts'

/** What a requester may decide and do by hand; each function authorises for itself. */
export function createApprovals(context: ApprovalContext): Approvals {
  return {
    review: (kind, ref) => review(context, kind, ref),
    vote: (kind, ref, input) => vote(context, kind, ref, input),
    cancel: (kind, ref, reason) => cancel(context, kind, ref, reason),
    retry: (kind, ref) => retry(context, kind, ref),
    markFailed: (kind, ref, reason) => markFailed(context, kind, ref, reason),
    confirmRevoked: (ref) => confirmRevoked(context, ref),
    comment: (kind, ref, text) => comment(context, kind, ref, text),
    simulate: decide,
  }
}
