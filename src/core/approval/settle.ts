import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { closeWaiting } from '../audit/alert.ts'
import { attendAt } from '../profile/stepNow.ts'
import { moveHeld, subjectOf } from '../request/held.ts'
import type { CoreTables } from '../tables.ts'
import type { Afterwards, ApprovalContext } from './approvalContext.ts'
import type { Ballot } from './ballot.ts'
import { standingVotes } from './count.ts'
import { settleDecision, stepExpiry } from './decision.ts'
import { rememberApproval } from './remember.ts'

/** One denial ends a request. Its reason is what the requester reads; who denied stands in the audit trail. */
export async function settleDenial(db: Database, { requester }: ApprovalContext, ballot: Ballot): Promise<undefined> {
  const { held, decision, input, at } = ballot
  await settleDecision(db, decision.id, { outcome: 'denied', at })
  await moveHeld(db, held, {
    sign: 'denied',
    revoke: 'denied',
    actor: requester,
    at,
    set: { reason: input.reason?.trim() ?? null },
    details: { decision: decision.id },
  })
}

/** Counts after an approval: the step still waits, the next one begins, or the request goes on to be signed or revoked. */
export async function settleApproval(
  db: Database,
  context: ApprovalContext,
  ballot: Ballot,
): Promise<Afterwards | undefined> {
  if (ballot.input.override) return approve(db, context, ballot)
  return proceed(db, context, ballot)
}

/**
 * On to the first step that still lacks votes, or to the end. Rights are looked at again for every step (count.ts): one whose
 * voters have lost theirs waits anew, and one that has its votes already is passed.
 */
async function proceed(db: Database, context: ApprovalContext, ballot: Ballot): Promise<Afterwards | undefined> {
  const { held, decision, at } = ballot
  const counted = await standingVotes(db, ballot)
  for (const [step, asked] of decision.steps.entries()) {
    if ((counted[step]?.length ?? 0) >= asked.quorum) continue
    if (step === decision.step) return undefined
    const done = decision.attended.find((one) => one.step === step)
    await settleDecision(db, decision.id, { step, attendAt: attendAt(asked, at, done) })
    await closeWaiting(db, at, subjectOf(held))
    await setExpiry(db, ballot, stepExpiry(asked, at))
    return undefined
  }
  return approve(db, context, ballot)
}

async function setExpiry(db: Database, { held, at }: Ballot, expiry: Date): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable(held.kind === 'sign' ? 'sign_requests' : 'revoke_requests')
    .set({ expires_at: expiry.getTime(), updated_at: at.getTime() })
    .where('id', '=', held.request.id)
    .where('status', '=', 'requested')
    .execute()
}

async function approve(db: Database, context: ApprovalContext, ballot: Ballot): Promise<Afterwards | undefined> {
  const { held, decision, at } = ballot
  await settleDecision(db, decision.id, { outcome: 'approved', at })
  if (!ballot.input.override) await remember(db, ballot)
  await moveHeld(db, held, {
    sign: 'signing',
    revoke: 'revoking',
    actor: context.requester,
    at,
    details: { decision: decision.id },
  })
  return context.approved(db, held.kind, held.request.id)
}

/** Of those who wanted the approval remembered, the most careful one decides for how long. */
async function remember(db: Database, ballot: Ballot): Promise<void> {
  const { held, decision, at } = ballot
  if (held.kind !== 'sign') return
  const asked = (await standingVotes(db, ballot))
    .flat()
    .flatMap(({ remember }) => (remember === undefined ? [] : [remember]))
  if (asked.length === 0) return
  const { id: decisionId, ruleVersion } = decision
  await rememberApproval(db, held.request, { decisionId, ruleVersion, lasts: Math.min(...asked), at })
}
