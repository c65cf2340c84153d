import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { ActingUser } from '../identity/identity.ts'
import { actingUser, type Held, holdRequest, isBehind, mayHandle, requireVisible, subjectOf } from '../request/held.ts'
import type { RequestRef } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import type { RequestKind, ReviewState } from './approval.ts'
import type { ApprovalContext } from './approvalContext.ts'
import { type Counting, standingVotes } from './count.ts'
import { type Decision, findDecision } from './decision.ts'
import { votersOf } from './voters.ts'
import { type StoredVote, votesOf } from './votes.ts'

/** What an approver sees of a request. Throws Failure('notFound' | 'forbidden'). */
export async function review(context: ApprovalContext, kind: RequestKind, ref: RequestRef): Promise<ReviewState> {
  const { db, clock } = context
  const held = await holdRequest(db, kind, ref, false)
  const decision = await findDecision(db, kind, held.request)
  await requireReader(db, context, held, decision)
  const comments = await commentsOf(db, held)
  if (!decision) {
    const none = { steps: [], escalated: [], mayApprove: [], votes: [] }
    return { outcome: 'none', rule: '', hash: '', step: 0, ...none, comments }
  }
  const votes = await votesOf(db, decision.id)
  return {
    outcome: decision.outcome,
    rule: decision.rule,
    hash: decision.hash,
    step: decision.step,
    steps: decision.steps,
    escalated: decision.attended.flatMap(({ step, escalated }) =>
      escalated === undefined ? [] : [{ step, at: new Date(escalated) }],
    ),
    mayApprove: await mayApprove(db, { held, decision, at: clock() }, votes),
    ...(decision.outcome === 'remembered' ? await standsOn(db, held) : {}),
    ...(decision.standingApproval === undefined ? {} : await grantedBy(db, decision.standingApproval)),
    votes: votes.map(({ userId: _, remember: __, delegationId: ___, ...vote }) => vote),
    comments,
  }
}

/** The decision that lets it pass, as the event of the request names it. */
async function standsOn(db: Database, held: Held): Promise<Pick<ReviewState, 'remembered'>> {
  const { kind, id } = subjectOf(held)
  const rows = await withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .select('details')
    .where('subject_kind', '=', kind)
    .where('subject_id', '=', id)
    .where('status', 'is not', null)
    .orderBy('id')
    .execute()
  // An order that was parked or edited passed by a later event than its first.
  const told = rows.map(({ details }) => JSON.parse(details)).findLast(({ outcome }) => outcome === 'remembered')
  const { decision } = told ?? {}
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

async function grantedBy(db: Database, id: number): Promise<Pick<ReviewState, 'granted'>> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('standing_approval_votes as given')
    .innerJoin('standing_approvals as standing', 'standing.id', 'given.standing_approval_id')
    .innerJoin('users', 'users.id', 'given.user_id')
    .select(['standing.uuid', 'users.name'])
    .where('standing.id', '=', id)
    .orderBy('given.created_at')
    .orderBy('users.id')
    .execute()
  const [first] = rows
  return first ? { granted: { standingApproval: first.uuid, approvers: rows.map(({ name }) => name) } } : {}
}

async function mayApprove(db: Database, counting: Counting, votes: StoredVote[]): Promise<string[]> {
  const { held, decision, at } = counting
  const step = decision.steps[decision.step]
  if (!step || decision.outcome !== 'waiting' || held.request.status !== 'requested') return []
  const out = new Set([...held.request.requester.people, ...votes.map(({ userId }) => userId)])
  const given = new Set((await standingVotes(db, counting)).flat().map(({ voice }) => voice))
  const voters = await votersOf(db, step, held, at)
  const able = voters.filter(({ user, voice }) => !out.has(user.id) && !given.has(voice))
  return [...new Set(able.map(({ user }) => user.name))].sort()
}

/** Whoever is behind the request, may read its profile, or is named by one of its steps. Answers the user, if one acts. */
async function requireReader(
  db: Database,
  { requester, clock }: ApprovalContext,
  held: Held,
  decision: Decision | undefined,
): Promise<ActingUser | undefined> {
  const user = await actingUser(db, requester)
  requireVisible(held, requester, user)
  if (isBehind(held, requester, user) && mayLook(user)) return user
  for (const capability of ['read', 'approve', 'manage'] as const) {
    if (await mayHandle(db, held, requester, capability)) return user
  }
  for (const step of decision?.steps ?? []) {
    if (user && mayLook(user) && (await votersOf(db, step, held, clock())).some((voter) => voter.user.id === user.id))
      return user
  }
  throw new Failure('forbidden', 'this needs somebody who may read here or whom a rule names')
}

/** Whom a token's scope lets read where he needs no capability. */
function mayLook(user: ActingUser | undefined): boolean {
  return !user?.scope || user.scope.capabilities.some((name) => name !== 'admin')
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

/** On one request, whoever wrote them: a page of a request shows all of them. */
const mostComments = { count: 200, octets: 256 * 1024 }

/**
 * Adds a comment. Only people comment: throws Failure('forbidden') for other requesters; also notFound, malformed, and 'conflict' where there
 * are as many as are kept.
 */
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
    await refuseMore(db, held, text)
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

/** The request is held: nobody else adds one meanwhile. */
async function refuseMore(db: Database, held: Held, text: string): Promise<void> {
  const comments = await commentsOf(db, held)
  const octets = comments.reduce((sum, one) => sum + Buffer.byteLength(one.text), Buffer.byteLength(text))
  if (comments.length < mostComments.count && octets <= mostComments.octets) return
  throw new Failure(
    'conflict',
    `a request keeps ${mostComments.count} comments of ${mostComments.octets / 1024} KiB together, and this one has them: say it elsewhere`,
  )
}
