import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { actorOf } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import type { PlanRow, PlanStep } from '../profile/approvalPlanVersion.ts'
import { profileRows } from '../profile/profileAdmin.ts'
import { type ProfileContext, type ProfileRecord, toRecord } from '../profile/raProfiles.ts'
import { type ApprovalRule, type ApprovalRules, approvalRule } from '../profile/rule.ts'
import type { CoreTables } from '../tables.ts'

/** The actions that a plan decides. What leaves the server as a private key is nothing that a plan was made for. */
const planned = ['issue', 'renew', 'rekey', 'revoke'] as const

const PREFIX = 'approval plan '

/** The name of the rule that a plan is on a profile: that a profile has a plan is read off its rules, and kept nowhere else. */
export function planRuleName(name: string): string {
  return PREFIX + name
}

/** The name of the plan that a rule is; undefined for any other rule. */
export function planNameOf(rule: string): string | undefined {
  return rule.startsWith(PREFIX) ? rule.slice(PREFIX.length) : undefined
}

/** A plan as a rule. Throws Failure('malformed') for what no rule can be: more than ten steps, a quorum over twenty, too long a wait. */
export function planRule(name: string, { hours, steps }: { hours: number | null; steps: PlanStep[] }): ApprovalRule {
  const read = approvalRule.safeParse({
    name: planRuleName(name),
    require: steps.map(({ who, quorum }) => ({
      [`${who.kind}s`]: [who.name],
      quorum,
      ...(hours === null ? {} : { expires: `${hours}h` }),
    })),
  })
  if (read.success) return read.data
  throw new Failure(
    'malformed',
    'an approval plan has 1 to 10 steps, each with a quorum of 1 to 20, and waits at most 999999 hours',
  )
}

/** The rules with the plan as the last one of each action that it decides. */
export function withPlan(
  rules: ApprovalRules,
  name: string,
  version: { hours: number | null; steps: PlanStep[] },
): ApprovalRules {
  const rule = planRule(name, version)
  const cleared = withoutPlan(rules, name)
  return { ...cleared, ...Object.fromEntries(planned.map((action) => [action, [...cleared[action], rule]])) }
}

export function withoutPlan(rules: ApprovalRules, name: string): ApprovalRules {
  const others = (list: ApprovalRule[]) => list.filter((rule) => rule.name !== planRuleName(name))
  return { ...rules, ...Object.fromEntries(planned.map((action) => [action, others(rules[action])])) }
}

/** The profiles of the plan's organization that have it, by name. */
export async function profilesOf(
  db: Database,
  { requester }: ProfileContext,
  { name, organization_id: organizationId }: PlanRow,
): Promise<ProfileRecord[]> {
  const rows = await profileRows(db, await actorOf(db, requester))
    .where('ra_profiles.organization_id', '=', organizationId)
    .orderBy('ra_profiles.name')
    .execute()
  const has = ({ rules }: ProfileRecord) =>
    planned.some((action) => rules[action].some((rule) => rule.name === planRuleName(name)))
  return rows.map(toRecord).filter(has)
}

/** Whether somebody was asked by a plan since then. */
export async function isAsked(
  db: Database,
  { name, organization_id: organizationId }: PlanRow,
  since: number,
): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .leftJoin('sign_requests as signed', 'signed.id', 'decisions.sign_request_id')
    .leftJoin('revoke_requests as revoked', 'revoked.id', 'decisions.revoke_request_id')
    .select('decisions.id')
    .where('rule', '=', planRuleName(name))
    // In the words of the partial index.
    .where(sql<boolean>`steps <> '[]'`)
    .where('decisions.created_at', '>=', since)
    .where(({ or, eb }) =>
      or([eb('signed.organization_id', '=', organizationId), eb('revoked.organization_id', '=', organizationId)]),
    )
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
