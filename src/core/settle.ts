import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import type { Afterwards, ApprovalContext } from './approvalContext.ts'
import type { Ballot } from './ballot.ts'
import { settleDecision, stepExpiry } from './decision.ts'
import { eligibleUsers } from './eligible.ts'
import { moveHeld } from './held.ts'
import { rememberApproval } from './remember.ts'
import type { CoreTables } from './tables.ts'
import { votesOf } from './votes.ts'

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
 * On to the first step that still lacks votes, or to the end. Rights are looked at again for every step: one whose voters
 * have lost theirs waits anew, and one that has its votes already is passed.
 */
async function proceed(db: Database, context: ApprovalContext, ballot: Ballot): Promise<Afterwards | undefined> {
  const { decision, at } = ballot
  for (const [step, asked] of decision.steps.entries()) {
    if (await quorumReached(db, ballot, step)) continue
    if (step === decision.step) return undefined
    await settleDecision(db, decision.id, { step })
    await setExpiry(db, ballot, stepExpiry(asked, at))
    return undefined
  }
  return approve(db, context, ballot)
}

/** Only votes count whose voters could still give them now: rights may have been lost since. */
async function quorumReached(db: Database, ballot: Ballot, index: number): Promise<boolean> {
  const step = ballot.decision.steps[index]
  return step !== undefined && (await countedVotes(db, ballot, index)).length >= step.quorum
}

async function countedVotes(db: Database, { held, decision }: Ballot, index: number) {
  const step = decision.steps[index]
  if (!step) return []
  const entitled = new Set((await eligibleUsers(db, step, held.request)).map(({ id }) => id))
  return (await votesOf(db, decision.id)).filter(
    (vote) => vote.step === index && vote.verdict === 'approve' && entitled.has(vote.userId),
  )
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
  const counted = await Promise.all(decision.steps.map((_, step) => countedVotes(db, ballot, step)))
  const asked = counted.flat().flatMap(({ remember }) => (remember === undefined ? [] : [remember]))
  if (asked.length === 0) return
  const { id: decisionId, ruleVersion } = decision
  await rememberApproval(db, held.request, { decisionId, ruleVersion, lasts: Math.min(...asked), at })
}
