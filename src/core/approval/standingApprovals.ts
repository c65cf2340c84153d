import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type Actor, type AdminContext, actorOf, requireCapability, seesOrganization } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { ActingUser } from '../identity/identity.ts'
import { allows } from '../identity/tokenScope.ts'
import type { RaProfile } from '../profile/profile.ts'
import { findProfileRow } from '../profile/profileAdmin.ts'
import { loadProfile } from '../profile/profiles.ts'
import type { ApprovalStep } from '../profile/rule.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { eligibleUsers } from './eligible.ts'
import { checkedStanding, rulesAsking, type StandingApprovalDraft } from './standingDraft.ts'
import { approversOf, lackingVotes } from './standingUse.ts'
import { type StandingApprovalView, standingRows, standingView, viewStanding } from './standingView.ts'

/**
 * Approvals given before the orders: so many certificates with such names, until then (docs/approval.md). In force once
 * every step of their rule has as many approvers as it asks for. All throw Failure: forbidden, notFound, malformed, conflict.
 */
export interface StandingApprovals {
  /** Of the profiles that the user may read, approve or manage, and those that he gave; the newest first, at most 1000. */
  list(): Promise<StandingApprovalView[]>
  /** By somebody whom a step of the rule names, in his own right: he is the first of its approvers. Never a delegate. */
  create(draft: StandingApprovalDraft): Promise<StandingApprovalView>
  /** Another approver seconds it, for a step that still lacks one. */
  confirm(uuid: string): Promise<StandingApprovalView>
  /** By one of its approvers, or with manage on the profile. What has passed stays. */
  end(uuid: string): Promise<StandingApprovalView>
}

export function createStandingApprovals(context: AdminContext): StandingApprovals {
  return {
    list: () => viewStanding(context),
    create: (draft) => create(context, draft),
    confirm: (uuid) => confirm(context, uuid),
    end: (uuid) => end(context, uuid),
  }
}

interface Home {
  organizationId: number
  authorityId: number
  profileId: number
}

async function create({ it, requester }: AdminContext, draft: StandingApprovalDraft): Promise<StandingApprovalView> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await findProfileRow(db, actor, draft.profile)
    if (!row) throw new Failure('notFound', `there is no profile ${draft.profile}`)
    const profile = await loadProfile(db, row.id)
    const { organizationId, authorityId, id: profileId } = profile
    const user = requirePerson(actor, { organizationId, authorityId, profileId })
    await requireNamed(db, user, profile, draft)
    const asked = await checkedStanding(db, draft, { profile, maker: user, at })
    const { rule, requesterUser } = asked
    const step = await stepFor(db, user, { steps: rule.require, approvers: [], home: profile })
    const columns = {
      profile_id: profileId,
      action: draft.action,
      rule: rule.name,
      rule_version: asked.version,
      steps: JSON.stringify(rule.require),
      requester_key: draft.requester ?? null,
      requester_user_id: requesterUser?.id ?? null,
      names: JSON.stringify(asked.names),
      days: draft.days ?? null,
      uses: draft.uses,
      until_at: draft.until.getTime(),
      reason: asked.reason,
    }
    const { id } = await withTables<CoreTables>(db)
      .insertInto('standing_approvals')
      .values({
        ...columns,
        uuid: uuidv7(at),
        organization_id: organizationId,
        uses_left: draft.uses,
        maker_id: user.id,
        created_at: at.getTime(),
        ended_at: null,
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    await storeVote(db, { id, user, step, at })
    const { steps: _, ...told } = columns
    await audit(db, requester, at, {
      action: 'standing_approval.created',
      organizationId,
      subject: { kind: 'standing_approval', id },
      details: { user: user.name, step, profile: profile.name, ...told, names: asked.names },
    })
    return standingView(db, id, at)
  })
}

/** A user, with a token whose scope has approve there. */
function requirePerson({ user }: Actor, home: Home): ActingUser {
  if (!user) throw new Failure('forbidden', 'only a person approves: use a session or a token of your own')
  if (!allows(user.scope, 'approve', home))
    throw new Failure('forbidden', 'this token does not approve: its scope has no approve here')
  return user
}

/** Who is named by no rule that asks people learns nothing of them. Throws Failure('forbidden'). */
async function requireNamed(
  db: Database,
  user: ActingUser,
  profile: RaProfile,
  { action }: Pick<StandingApprovalDraft, 'action'>,
): Promise<void> {
  for (const { require } of rulesAsking(profile, action))
    for (const step of require) if ((await eligibleUsers(db, step, profile)).some(({ id }) => id === user.id)) return
  throw new Failure('forbidden', 'you are not among those whom the rules of this profile ask')
}

interface Approving {
  steps: readonly ApprovalStep[]
  approvers: readonly { user_id: number; step: number }[]
  home: { organizationId: number; authorityId: number }
}

/** The first step that lacks an approver and names the user. One person stands for one step. */
async function stepFor(db: Database, user: ActingUser, { steps, approvers, home }: Approving): Promise<number> {
  const lacking = await lackingVotes(db, { steps, approvers }, home)
  let named = false
  for (const [index, step] of steps.entries()) {
    if (!(await eligibleUsers(db, step, home)).some(({ id }) => id === user.id)) continue
    if ((lacking[index] ?? 0) > 0) return index
    named = true
  }
  if (named) throw new Failure('conflict', 'the steps that name you have their approvers already')
  throw new Failure('forbidden', 'you are not among those whom the steps of the rule name')
}

interface Given {
  id: number
  user: ActingUser
  step: number
  at: Date
}

async function storeVote(db: Database, { id, user, step, at }: Given): Promise<void> {
  const stored = await withTables<CoreTables>(db)
    .insertInto('standing_approval_votes')
    .values({ standing_approval_id: id, user_id: user.id, step, created_at: at.getTime() })
    .onConflict((conflict) => conflict.columns(['standing_approval_id', 'user_id']).doNothing())
    .returning('user_id')
    .executeTakeFirst()
  if (!stored) throw new Failure('conflict', 'you have approved this already')
}

async function confirm({ it, requester }: AdminContext, uuid: string): Promise<StandingApprovalView> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { row, home } = await held(db, actor, uuid)
    const user = requirePerson(actor, home)
    if (row.ended_at !== null || row.until_at <= at.getTime())
      throw new Failure('conflict', 'this standing approval has ended')
    if (row.requester_user_id === user.id || row.requester_key === `user:${user.uuid}`) throw ownOrders()
    const approvers = await approversOf(db, row.id)
    if (approvers.some(({ user_id }) => user_id === user.id))
      throw new Failure('conflict', 'you have approved this already')
    const step = await stepFor(db, user, { steps: JSON.parse(row.steps), approvers, home })
    await storeVote(db, { id: row.id, user, step, at })
    await audit(db, requester, at, {
      action: 'standing_approval.confirmed',
      organizationId: row.organization_id,
      subject: { kind: 'standing_approval', id: row.id },
      details: { user: user.name, step },
    })
    return standingView(db, row.id, at)
  })
}

function ownOrders(): Failure {
  return new Failure('forbidden', 'nobody approves what he asks for himself (separation of duties)')
}

async function end({ it, requester }: AdminContext, uuid: string): Promise<StandingApprovalView> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { row, home } = await held(db, actor, uuid)
    const own = (await approversOf(db, row.id)).some(({ user_id }) => user_id === actor.user?.id)
    if (own) requirePerson(actor, home)
    else await requireCapability(db, actor, 'manage', home)
    if (row.ended_at !== null) throw new Failure('conflict', 'this standing approval has ended')
    await withTables<CoreTables>(db)
      .updateTable('standing_approvals')
      .set({ ended_at: at.getTime() })
      .where('id', '=', row.id)
      .execute()
    await audit(db, requester, at, {
      action: 'standing_approval.ended',
      organizationId: row.organization_id,
      subject: { kind: 'standing_approval', id: row.id },
    })
    return standingView(db, row.id, at)
  })
}

/** Its row locked: an order that would use it waits for the end of the transaction. Throws Failure('notFound'). */
async function held(db: Database, actor: Actor, uuid: string) {
  const query = withTables<CoreTables>(db).selectFrom('standing_approvals').selectAll().where('uuid', '=', uuid)
  const row = await forUpdate(db, query).executeTakeFirst()
  if (!row || !seesOrganization(actor, row.organization_id))
    throw new Failure('notFound', 'there is no such standing approval')
  const { authority_id } = await standingRows(db).where('standing.id', '=', row.id).executeTakeFirstOrThrow()
  const home = { organizationId: row.organization_id, authorityId: authority_id, profileId: row.profile_id }
  return { row, home }
}
