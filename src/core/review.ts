import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import type { RequestKind, ReviewState } from './approval.ts'
import type { ApprovalContext } from './approvalContext.ts'
import { audit } from './audit.ts'
import { type Decision, findDecision } from './decision.ts'
import { eligibleUsers, whoMayApprove } from './eligible.ts'
import { Failure } from './failure.ts'
import { actingUser, type Held, holdRequest, isBehind, mayHandle, requireVisible, subjectOf } from './held.ts'
import type { User } from './identity.ts'
import type { RequestRef } from './request.ts'
import type { CoreTables } from './tables.ts'
import { type StoredVote, votesOf } from './votes.ts'

/** What an approver sees of a request. Throws Failure('notFound' | 'forbidden'). */
export async function review(context: ApprovalContext, kind: RequestKind, ref: RequestRef): Promise<ReviewState> {
  const { db } = context
  const held = await holdRequest(db, kind, ref, false)
  const decision = await findDecision(db, kind, held.request)
  await requireReader(db, context, held, decision)
  const comments = await commentsOf(db, held)
  if (!decision) return { outcome: 'none', rule: '', hash: '', step: 0, steps: [], mayApprove: [], votes: [], comments }
  const votes = await votesOf(db, decision.id)
  return {
    outcome: decision.outcome,
    rule: decision.rule,
    hash: decision.hash,
    step: decision.step,
    steps: decision.steps,
    mayApprove: await mayApprove(db, held, decision, votes),
    ...(decision.outcome === 'remembered' ? await standsOn(db, held) : {}),
    votes: votes.map(({ userId: _, remember: __, ...vote }) => vote),
    comments,
  }
}

/** The decision that lets it pass, as the event of the request names it. */
async function standsOn(db: Database, held: Held): Promise<Pick<ReviewState, 'remembered'>> {
  const { kind, id } = subjectOf(held)
  const first = await withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .select('details')
    .where('subject_kind', '=', kind)
    .where('subject_id', '=', id)
    .where('status', 'is not', null)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  const { decision } = first ? JSON.parse(first.details) : {}
  if (typeof decision !== 'number') return {}
  const original = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .select('sign_request_id')
    .where('id', '=', decision)
    .executeTakeFirst()
  if (original?.sign_request_id == null) return {}
  const approvers = (await votesOf(db, decision)).filter(({ verdict }) => verdict === 'approve').map(({ user }) => user)
  return { remembered: { request: original.sign_request_id, approvers } }
}

async function mayApprove(db: Database, { request }: Held, decision: Decision, votes: StoredVote[]): Promise<string[]> {
  const step = decision.steps[decision.step]
  if (!step || decision.outcome !== 'waiting' || request.status !== 'requested') return []
  const excluded = [...request.requester.people, ...votes.map(({ userId }) => userId)]
  return (await whoMayApprove(db, step, request, excluded)).map(({ name }) => name)
}

/** Whoever is behind the request, may read its profile, or is named by one of its steps. Answers the user, if one acts. */
async function requireReader(
  db: Database,
  { requester }: ApprovalContext,
  held: Held,
  decision: Decision | undefined,
): Promise<User | undefined> {
  const user = await actingUser(db, requester)
  requireVisible(held, requester, user)
  if (isBehind(held, requester, user)) return user
  for (const capability of ['read', 'approve', 'manage'] as const) {
    if (await mayHandle(db, held, requester, capability)) return user
  }
  for (const step of decision?.steps ?? []) {
    if (user && (await eligibleUsers(db, step, held.request)).some(({ id }) => id === user.id)) return user
  }
  throw new Failure('forbidden', 'this needs somebody who may read here or whom a rule names')
}

async function commentsOf(db: Database, { kind, request }: Held): Promise<ReviewState['comments']> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('comments')
    .innerJoin('users', 'users.id', 'comments.user_id')
    .select(['users.name', 'comments.text', 'comments.created_at'])
    .where(kind === 'sign' ? 'comments.sign_request_id' : 'comments.revoke_request_id', '=', request.id)
    .orderBy('comments.id')
    .execute()
  return rows.map((row) => ({ user: row.name, text: row.text, at: new Date(row.created_at) }))
}

/** Adds a comment. Only people comment: throws Failure('forbidden') for other requesters; also notFound, malformed. */
export async function comment(
  context: ApprovalContext,
  kind: RequestKind,
  ref: RequestRef,
  given: string,
): Promise<void> {
  const text = given.trim()
  if (text === '' || text.length > 4000) throw new Failure('malformed', 'a comment has 1 to 4000 characters')
  await transaction(context.db, async (db) => {
    const held = await holdRequest(db, kind, ref)
    const user = await requireReader(db, context, held, await findDecision(db, kind, held.request))
    if (!user) throw new Failure('forbidden', 'only a person comments: use a session or a token of your own')
    const at = context.clock()
    await withTables<CoreTables>(db)
      .insertInto('comments')
      .values({
        sign_request_id: kind === 'sign' ? held.request.id : null,
        revoke_request_id: kind === 'revoke' ? held.request.id : null,
        user_id: user.id,
        text,
        created_at: at.getTime(),
      })
      .execute()
    const { organizationId } = held.request
    await audit(db, context.requester, at, { action: 'comment.added', organizationId, subject: subjectOf(held) })
  })
}
