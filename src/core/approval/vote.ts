import type { Database } from '../../db/open.ts'
import { transaction } from '../../db/transaction.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { type Held, holdRequest, subjectOf } from '../request/held.ts'
import type { RequestRef } from '../request/request.ts'
import type { RequestKind, VoteInput } from './approval.ts'
import type { Afterwards, ApprovalContext } from './approvalContext.ts'
import { type Ballot, checkVote } from './ballot.ts'
import { settleApproval, settleDenial } from './settle.ts'
import { spokenFor } from './spokenFor.ts'
import { storeVote } from './votes.ts'

/**
 * Takes a vote: locks the request, checks the voter's right and that he saw what is decided, stores the vote, counts, and
 * moves the request where that was the last one needed; all in one transaction. Throws Failure: forbidden (no user, behind
 * the request, not named by the step), notFound, malformed (no reason), conflict (too late, changed since, voted already).
 */
export async function vote(
  context: ApprovalContext,
  kind: RequestKind,
  ref: RequestRef,
  input: VoteInput,
): Promise<{ status: string }> {
  const { afterwards } = await transaction(context.db, async (db) =>
    castVote(db, context, await holdRequest(db, kind, ref), { input }),
  )
  return finish(context, { kind, ref }, afterwards)
}

export interface Cast {
  ballot: Ballot
  /** What follows the commit. */
  afterwards: Afterwards | undefined
}

/** As vote, in the caller's transaction, on a request that is locked. `told`: what else the audit trail says of it. */
export async function castVote(
  db: Database,
  context: ApprovalContext,
  held: Held,
  { input, told = {} }: { input: VoteInput; told?: Record<string, unknown> },
): Promise<Cast> {
  const ballot = await checkVote(db, context, held, input)
  if (!input.override) await requireUnspoken(db, ballot)
  await storeVote(db, ballot)
  await auditVote(db, context, ballot, told)
  const settle = input.verdict === 'deny' ? settleDenial : settleApproval
  return { ballot, afterwards: await settle(db, context, ballot) }
}

/** Who has decided in a ticket system does not decide here again. */
async function requireUnspoken(db: Database, { held, decision, voter }: Ballot): Promise<void> {
  if ((await spokenFor(db, held, decision.hash)).has(voter.name))
    throw new Failure('conflict', 'you have decided on this request in a ticket system already')
}

/** Runs what follows the commit, and answers where the request stands then. */
export async function finish(
  { db }: ApprovalContext,
  { kind, ref }: { kind: RequestKind; ref: RequestRef },
  afterwards: Afterwards | undefined,
): Promise<{ status: string }> {
  if (afterwards) await afterwards()
  return { status: (await holdRequest(db, kind, ref, false)).request.status }
}

async function auditVote(
  db: Database,
  { requester }: ApprovalContext,
  ballot: Ballot,
  told: Record<string, unknown>,
): Promise<void> {
  const { held, decision, input, seat, at } = ballot
  const { delegation } = seat ?? {}
  await audit(db, requester, at, {
    action: input.override ? 'vote.override' : `vote.${input.verdict}`,
    organizationId: held.request.organizationId,
    subject: subjectOf(held),
    details: {
      ...told,
      user: ballot.voter.name,
      ...(delegation ? { for: delegation.of, delegation: delegation.id } : {}),
      verdict: input.verdict,
      rule: decision.rule,
      step: decision.step,
      hash: decision.hash,
      reason: input.reason?.trim(),
      remember: input.remember,
    },
  })
}
