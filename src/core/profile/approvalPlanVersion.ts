import type { Selectable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'

/** Who decides one step of a plan, and how many of them. */
export interface PlanStep {
  who: { kind: StepKind; uuid: string; name: string }
  description: string
  quorum: number
}

export type StepKind = 'user' | 'role' | 'group'

/** A step as it is asked for: the uuid of exactly one of these. */
export interface DraftStep {
  who: { kind: StepKind; uuid: string }
  description?: string
  quorum: number
}

export type PlanRow = Selectable<CoreTables['approval_plans']>

export interface VersionRow {
  version: number
  description: string
  hours: number | null
  steps: PlanStep[]
  created_at: number
}

/** Steps with the names that rules go by. Throws Failure('notFound') for what the organization does not have. */
export async function resolveSteps(
  db: Database,
  organizationId: number,
  drafts: readonly DraftStep[],
): Promise<PlanStep[]> {
  const steps: PlanStep[] = []
  for (const { who, description = '', quorum } of drafts) {
    const name = await nameOf(db, organizationId, who)
    if (name === undefined) throw new Failure('notFound', `there is no ${who.kind} ${who.uuid}`)
    steps.push({ who: { ...who, name }, description, quorum })
  }
  return steps
}

async function nameOf(
  db: Database,
  organizationId: number,
  { kind, uuid }: DraftStep['who'],
): Promise<string | undefined> {
  const tables = withTables<CoreTables>(db)
  if (kind === 'user') {
    const user = await tables
      .selectFrom('users')
      .select('name')
      .where('uuid', '=', uuid)
      .where(({ or, eb }) => or([eb('organization_id', '=', organizationId), eb('superuser', '=', 1)]))
      .executeTakeFirst()
    return user?.name
  }
  const row = await tables
    .selectFrom(kind === 'role' ? 'roles' : 'groups')
    .select('name')
    .where('uuid', '=', uuid)
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  return row?.name
}

/** A version of a plan; the latest when none is named. Throws Failure('notFound'). */
export async function versionOf(db: Database, planId: number, version?: number): Promise<VersionRow> {
  const query = withTables<CoreTables>(db)
    .selectFrom('approval_plan_versions')
    .selectAll()
    .where('plan_id', '=', planId)
  const row = await (version === undefined ? query : query.where('version', '=', version))
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such version of this approval plan')
  return { ...row, steps: JSON.parse(row.steps) }
}

export const latestVersion = (db: Database, planId: number): Promise<VersionRow> => versionOf(db, planId)

export async function insertVersion(
  db: Database,
  planId: number,
  { version, description, hours, steps }: Omit<VersionRow, 'created_at'>,
  at: Date,
): Promise<void> {
  await withTables<CoreTables>(db)
    .insertInto('approval_plan_versions')
    .values({
      plan_id: planId,
      version,
      description,
      hours,
      steps: JSON.stringify(steps),
      created_at: at.getTime(),
    })
    .execute()
}
