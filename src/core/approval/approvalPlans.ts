import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type Actor, actorOf, organizationFor, requireCapability, seesOrganization } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { checkedName } from '../identity/identity.ts'
import {
  type DraftStep,
  insertVersion,
  latestVersion,
  type PlanRow,
  type PlanStep,
  resolveSteps,
  type VersionRow,
  versionOf,
} from '../profile/approvalPlanVersion.ts'
import { changeProfile, createRaProfiles, type ProfileContext, type ProfileRecord } from '../profile/raProfiles.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { isAsked, planRule, planRuleName, profilesOf, withoutPlan, withPlan } from './approvalPlanUse.ts'

/** A named list of approval steps. On a profile it is the last rule of each action but export: docs/approval.md. */
export interface ApprovalPlan {
  uuid: string
  name: string
  enabled: boolean
  version: number
  description: string
  /** How long each step waits, in hours; absent: seven days. */
  hours?: number
  steps: PlanStep[]
  /** How many profiles have it. */
  profiles: number
}

export interface ApprovalPlanDraft {
  name: string
  organization?: string
  enabled?: boolean
  description?: string
  hours?: number
  steps: DraftStep[]
}

export type ApprovalPlanChange = Pick<ApprovalPlanDraft, 'enabled' | 'description' | 'hours' | 'steps'>

/**
 * Approval plans. Every user of an organization sees its plans; who makes or changes one needs manage for all of the
 * organization. All throw Failure('notFound') alike for none and for another organization's, also of users, roles and groups.
 */
export interface ApprovalPlans {
  /** By name. */
  list(): Promise<ApprovalPlan[]>
  /** As its latest version, or the one that is named. */
  find(uuid: string, version?: number): Promise<ApprovalPlan>
  /** Throws Failure('conflict') where there is one of that name; malformed. */
  create(draft: ApprovalPlanDraft): Promise<ApprovalPlan>
  /**
   * A new version once somebody was asked by the latest one, else in its place; one that says the same is none. The profiles
   * that have the plan go by it from now on; what waits goes on as it began.
   */
  change(uuid: string, change: ApprovalPlanChange): Promise<ApprovalPlan>
  /** One that is off can be put on no profile. Throws Failure('conflict') while profiles have it. */
  enable(uuid: string, enabled: boolean): Promise<ApprovalPlan>
  /** Throws Failure('conflict') when somebody was asked by it, or profiles have it. */
  remove(uuid: string): Promise<void>
  /** Needs manage on the profile. Throws Failure('conflict') where the profile has one, or the plan is off. */
  associate(uuid: string, profile: string): Promise<void>
  /** Throws Failure('notFound') where the profile does not have it. */
  dissociate(uuid: string, profile: string): Promise<void>
  /** The profiles that have it. */
  profiles(uuid: string): Promise<ProfileRecord[]>
  /** The plans that a profile has: at most one was put there by `associate`. */
  of(profile: string): Promise<ApprovalPlan[]>
}

export function createApprovalPlans(context: ProfileContext): ApprovalPlans {
  const { it } = context
  const { db } = it
  const find = async (uuid: string, version?: number) => view(db, context, await planRow(db, context, uuid), version)
  return {
    list: async () => {
      const rows = await visiblePlans(db, await actorOf(db, context.requester))
      return Promise.all(rows.map((row) => view(db, context, row)))
    },
    find,
    create: async (draft) => find(await create(context, draft)),
    change: async (uuid, change) => {
      await transaction(db, (db) => changed(db, context, uuid, change))
      return find(uuid)
    },
    enable: async (uuid, enabled) => {
      await transaction(db, (db) => switched(db, context, uuid, enabled))
      return find(uuid)
    },
    remove: (uuid) => transaction(db, (db) => remove(db, context, uuid)),
    associate: (uuid, profile) => transaction(db, (db) => associate(db, context, uuid, profile)),
    dissociate: (uuid, profile) => transaction(db, (db) => dissociate(db, context, uuid, profile)),
    profiles: async (uuid) => profilesOf(db, context, await planRow(db, context, uuid)),
    of: async (profile) => {
      const { rules, organizationId } = await createRaProfiles(context).find(profile)
      const rows = await visiblePlans(db, await actorOf(db, context.requester))
      const names = new Set(Object.values(rules).flatMap((list) => list.map(({ name }) => name)))
      const its = rows.filter((row) => row.organization_id === organizationId && names.has(planRuleName(row.name)))
      return Promise.all(its.map((row) => view(db, context, row)))
    },
  }
}

async function visiblePlans(db: Database, actor: Actor): Promise<PlanRow[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('approval_plans')
    .selectAll()
    .orderBy('name')
    .orderBy('id')
    .execute()
  return rows.filter((row) => seesOrganization(actor, row.organization_id))
}

async function planRow(db: Database, { requester }: ProfileContext, uuid: string, lock = false): Promise<PlanRow> {
  const query = withTables<CoreTables>(db).selectFrom('approval_plans').selectAll().where('uuid', '=', uuid)
  const row = await (lock ? forUpdate(db, query) : query).executeTakeFirst()
  if (!row || !seesOrganization(await actorOf(db, requester), row.organization_id))
    throw new Failure('notFound', 'there is no such approval plan')
  return row
}

/** Locked, and its organization's to change for whoever asks. */
async function managed(db: Database, context: ProfileContext, uuid: string): Promise<PlanRow> {
  const row = await planRow(db, context, uuid, true)
  const scope = { organizationId: row.organization_id }
  await requireCapability(db, await actorOf(db, context.requester), 'manage', scope)
  return row
}

async function view(db: Database, context: ProfileContext, row: PlanRow, which?: number): Promise<ApprovalPlan> {
  const { version, description, hours, steps } = await versionOf(db, row.id, which)
  const { uuid, name } = row
  return {
    uuid,
    name,
    enabled: row.enabled === 1,
    version,
    description,
    ...(hours === null ? {} : { hours }),
    steps,
    profiles: (await profilesOf(db, context, row)).length,
  }
}

async function create(context: ProfileContext, draft: ApprovalPlanDraft): Promise<string> {
  const { it, requester } = context
  const at = it.clock()
  const name = checkedName(draft.name)
  if (name.length > 80) throw new Failure('malformed', 'the name of an approval plan has at most 80 characters')
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { id: organizationId } = await organizationFor(db, actor, draft.organization)
    await requireCapability(db, actor, 'manage', { organizationId })
    const steps = await resolveSteps(db, organizationId, draft.steps)
    planRule(name, { hours: draft.hours ?? null, steps })
    const row = await withTables<CoreTables>(db)
      .insertInto('approval_plans')
      .values({
        uuid: uuidv7(at),
        organization_id: organizationId,
        name,
        enabled: draft.enabled === false ? 0 : 1,
        created_at: at.getTime(),
      })
      .onConflict((conflict) => conflict.columns(['organization_id', 'name']).doNothing())
      .returningAll()
      .executeTakeFirst()
    if (!row) throw new Failure('conflict', `there is an approval plan ${name} already`)
    const version = { version: 1, description: draft.description ?? '', hours: draft.hours ?? null, steps }
    await insertVersion(db, row.id, version, at)
    await auditPlan(db, context, { row, action: 'approval_plan.created', details: version })
    return row.uuid
  })
}

async function changed(db: Database, context: ProfileContext, uuid: string, change: ApprovalPlanChange): Promise<void> {
  const row = await managed(db, context, uuid)
  if (change.enabled !== undefined && change.enabled !== (row.enabled === 1))
    await switched(db, context, uuid, change.enabled)
  const last = await latestVersion(db, row.id)
  const steps = await resolveSteps(db, row.organization_id, change.steps)
  const next = { description: change.description ?? '', hours: change.hours ?? null, steps }
  if (same(last, next)) return
  planRule(row.name, next)
  const at = context.it.clock()
  const asked = await isAsked(db, row, last.created_at)
  const version = { ...next, version: asked ? last.version + 1 : last.version }
  if (asked) await insertVersion(db, row.id, version, at)
  else await replaceVersion(db, row.id, version)
  await auditPlan(db, context, { row, action: 'approval_plan.changed', details: version })
  for (const { uuid: profile } of await profilesOf(db, context, row))
    await changeProfile(db, context, profile, ({ rules }) => ({ rules: withPlan(rules, row.name, next) }))
}

function same(last: VersionRow, next: { description: string; hours: number | null; steps: PlanStep[] }): boolean {
  const of = ({ description, hours, steps }: typeof next) => JSON.stringify([description, hours, steps])
  return of(last) === of(next)
}

async function replaceVersion(
  db: Database,
  planId: number,
  { version, steps, ...columns }: { version: number; description: string; hours: number | null; steps: PlanStep[] },
): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('approval_plan_versions')
    .set({ ...columns, steps: JSON.stringify(steps) })
    .where('plan_id', '=', planId)
    .where('version', '=', version)
    .execute()
}

async function switched(db: Database, context: ProfileContext, uuid: string, enabled: boolean): Promise<void> {
  const row = await managed(db, context, uuid)
  if (enabled === (row.enabled === 1)) return
  if (!enabled) await refuseUsed(db, context, row)
  await withTables<CoreTables>(db)
    .updateTable('approval_plans')
    .set({ enabled: enabled ? 1 : 0 })
    .where('id', '=', row.id)
    .execute()
  await auditPlan(db, context, { row, action: 'approval_plan.changed', details: { enabled } })
}

async function refuseUsed(db: Database, context: ProfileContext, row: PlanRow): Promise<void> {
  const using = await profilesOf(db, context, row)
  if (using.length === 0) return
  const names = using.map(({ name }) => name).join(', ')
  throw new Failure('conflict', `${row.name} decides for the RA profiles ${names}: take it off them first`)
}

async function remove(db: Database, context: ProfileContext, uuid: string): Promise<void> {
  const row = await managed(db, context, uuid)
  if (await isAsked(db, row, 0))
    throw new Failure('conflict', `there are approvals that refer to ${row.name}: disable it instead`)
  await refuseUsed(db, context, row)
  const tables = withTables<CoreTables>(db)
  await tables.deleteFrom('approval_plan_versions').where('plan_id', '=', row.id).execute()
  await tables.deleteFrom('approval_plans').where('id', '=', row.id).execute()
  await auditPlan(db, context, { row, action: 'approval_plan.deleted', details: {} })
}

async function associate(db: Database, context: ProfileContext, uuid: string, profile: string): Promise<void> {
  const row = await planRow(db, context, uuid, true)
  if (row.enabled !== 1) throw new Failure('conflict', `${row.name} is disabled: enable it first`)
  const { hours, steps } = await latestVersion(db, row.id)
  const plans = await visiblePlans(db, await actorOf(db, context.requester))
  await changeProfile(db, context, profile, ({ name, rules, organizationId }) => {
    if (organizationId !== row.organization_id) throw new Failure('notFound', 'there is no such approval plan')
    const names = new Set(Object.values(rules).flatMap((list) => list.map(({ name }) => name)))
    const known = plans.find((plan) => plan.organization_id === organizationId && names.has(planRuleName(plan.name)))
    if (known) throw new Failure('conflict', `the RA profile ${name} has the approval plan ${known.name} already`)
    return { rules: withPlan(rules, row.name, { hours, steps }) }
  })
}

async function dissociate(db: Database, context: ProfileContext, uuid: string, profile: string): Promise<void> {
  const row = await planRow(db, context, uuid)
  await changeProfile(db, context, profile, ({ rules, organizationId }) => {
    const without = withoutPlan(rules, row.name)
    if (organizationId !== row.organization_id || JSON.stringify(without) === JSON.stringify(rules))
      throw new Failure('notFound', 'the RA profile does not have this approval plan')
    return { rules: without }
  })
}

interface PlanEvent {
  row: PlanRow
  action: string
  details: object
}

async function auditPlan(db: Database, { it, requester }: ProfileContext, event: PlanEvent): Promise<void> {
  const { row, action, details } = event
  const subject = { kind: 'installation', id: row.id } as const
  const told = { plan: row.name, ...details }
  await audit(db, requester, it.clock(), { action, organizationId: row.organization_id, subject, details: told })
}
