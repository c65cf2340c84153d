import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type AdminContext, actorOf, isSuperuser } from '../adminActor.ts'
import { hasCapability } from '../identity/capability.ts'
import { defaultRule, ruleVersion } from '../profile/decide.ts'
import { loadProfile } from '../profile/profiles.ts'
import type { Action, ApprovalStep } from '../profile/rule.ts'
import type { CoreTables } from '../tables.ts'
import { eligibleUsers } from './eligible.ts'
import { approversOf, lackingVotes, type StandingNames } from './standingUse.ts'

export interface StandingApprovalView {
  uuid: string
  profile: string
  action: string
  rule: string
  /** `kind:ref`, or null. */
  requester: string | null
  requesterUser: string | null
  names: StandingNames
  days: number | null
  uses: number
  usesLeft: number
  until: Date
  reason: string
  approvers: { user: string; step: number }[]
  /** How many approvers each step of the rule still lacks, as rights are now. */
  lacking: number[]
  /** waits: for approvers; outdated: the rule was changed; over: its time is. */
  state: 'open' | 'waits' | 'used' | 'over' | 'ended' | 'outdated'
  createdAt: Date
  endedAt: Date | null
}

const atMost = 1000

/** See StandingApprovals.list. */
export async function viewStanding({ it, requester }: AdminContext): Promise<StandingApprovalView[]> {
  const { db } = it
  const actor = await actorOf(db, requester)
  let query = standingRows(db).orderBy('standing.id', 'desc').limit(atMost)
  const { user } = actor
  if (user && !isSuperuser(actor)) query = query.where('standing.organization_id', '=', user.organizationId)
  const views: StandingApprovalView[] = []
  for (const row of await query.execute()) {
    if (user && !(await mayRead(db, user, row))) continue
    views.push(await toView(db, row, it.clock()))
  }
  return views
}

async function mayRead(db: Database, user: Parameters<typeof hasCapability>[1], row: Row): Promise<boolean> {
  const scope = { organizationId: row.organization_id, authorityId: row.authority_id, profileId: row.profile_id }
  for (const capability of ['read', 'approve', 'manage'] as const)
    if (await hasCapability(db, user, capability, scope)) return true
  const named: number[] = []
  for (const step of JSON.parse(row.steps) as ApprovalStep[])
    named.push(...(await eligibleUsers(db, step, scope)).map(({ id }) => id))
  return named.includes(user.id) || (await approversOf(db, row.id)).some(({ user_id }) => user_id === user.id)
}

export async function standingView(db: Database, id: number, now: Date): Promise<StandingApprovalView> {
  return toView(db, await standingRows(db).where('standing.id', '=', id).executeTakeFirstOrThrow(), now)
}

export function standingRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('standing_approvals as standing')
    .innerJoin('ra_profiles', 'ra_profiles.id', 'standing.profile_id')
    .leftJoin('users', 'users.id', 'standing.requester_user_id')
    .selectAll('standing')
    .select(['ra_profiles.name as profile', 'ra_profiles.authority_id', 'users.name as requester_user'])
}

type Row = Awaited<ReturnType<ReturnType<typeof standingRows>['execute']>>[number]

async function toView(db: Database, row: Row, now: Date): Promise<StandingApprovalView> {
  const steps: ApprovalStep[] = JSON.parse(row.steps)
  const approvers = await approversOf(db, row.id)
  const home = { organizationId: row.organization_id, authorityId: row.authority_id }
  const lacking = await lackingVotes(db, { steps, approvers }, home)
  return {
    uuid: row.uuid,
    profile: row.profile,
    action: row.action,
    rule: row.rule,
    requester: row.requester_key,
    requesterUser: row.requester_user,
    names: JSON.parse(row.names),
    days: row.days,
    uses: row.uses,
    usesLeft: row.uses_left,
    until: new Date(row.until_at),
    reason: row.reason,
    approvers: approvers.map(({ name, step }) => ({ user: name, step })),
    lacking,
    state: await stateOf(db, row, { lacking, now }),
    createdAt: new Date(row.created_at),
    endedAt: row.ended_at === null ? null : new Date(row.ended_at),
  }
}

async function stateOf(
  db: Database,
  row: Row,
  { lacking, now }: { lacking: number[]; now: Date },
): Promise<StandingApprovalView['state']> {
  if (row.ended_at !== null) return 'ended'
  if (row.uses_left === 0) return 'used'
  if (row.until_at <= now.getTime()) return 'over'
  const { rules } = await loadProfile(db, row.profile_id)
  const known = [...rules[row.action as Action], defaultRule].some((rule) => ruleVersion(rule) === row.rule_version)
  if (!known) return 'outdated'
  return lacking.some((votes) => votes > 0) ? 'waits' : 'open'
}
