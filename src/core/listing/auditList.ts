import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type Actor, actorOf, isSuperuser } from '../adminActor.ts'
import type { AuditSubject } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type Pace, pageLimit, type Step, scan } from './keyset.ts'
import type { Page } from './listing.ts'

/** One event of the audit trail. */
export interface AuditRow {
  id: number
  /** To whose trail it belongs; null: to that of the installation. */
  organizationId: number | null
  at: Date
  /** noun.verb */
  action: string
  subject: { kind: string; id: number | null }
  /** The status that the subject has after it. */
  status: string | null
  actor: { kind: string; ref: string; name: string }
  source: string | null
  details: Record<string, unknown>
}

export interface AuditFilter {
  /** An action, or with `.` at its end all of a noun: `vote.` */
  action?: string
  subject?: { kind: AuditSubject; id?: number }
  /** The name of who acted. */
  actor?: string
  since?: Date
  until?: Date
  /** What an earlier page called `next`. */
  after?: number
  limit?: number
}

/** The trail, the newest first: of their organization for administrators, all of it for superusers. Throws Failure('forbidden'). */
export async function listAudit(
  it: Installation,
  requester: Requester,
  filter: AuditFilter,
  pace: Pace,
): Promise<Page<AuditRow>> {
  const actor = await actorOf(it.db, requester)
  if (!isSuperuser(actor) && !actor.user?.admin)
    throw new Failure('forbidden', 'reading the audit trail needs an administrator of the organization')
  const below = filter.after ?? (await endOf(it.db))
  const name = filter.actor?.toLowerCase()
  const page = await scan(below, {
    fetch: (step) => select(it.db, { actor, filter, step }),
    keep: (rows) => (name === undefined ? rows : rows.filter((row) => nameOf(row).toLowerCase() === name)),
    indexed: filter.subject?.id !== undefined,
    limit: pageLimit(filter.limit),
    pace,
  })
  return { ...page, rows: page.rows.map(toRow) }
}

async function endOf(db: Database): Promise<number> {
  const { id } = await withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .select((eb) => eb.fn.max<number | null>('id').as('id'))
    .executeTakeFirstOrThrow()
  return (id ?? 0) + 1
}

interface Query {
  actor: Actor
  filter: AuditFilter
  step: Step
}

async function select(db: Database, { actor, filter, step }: Query) {
  const { action, subject, since, until } = filter
  let query = withTables<CoreTables>(db)
    .selectFrom('audit_events')
    .selectAll()
    .where('id', '<', step.below)
    .where('id', '>=', step.from)
    .orderBy('id', 'desc')
    .limit(step.limit)
  if (!isSuperuser(actor) && actor.user) query = query.where('organization_id', '=', actor.user.organizationId)
  if (action?.endsWith('.')) query = query.where('action', '>=', action).where('action', '<', `${action.slice(0, -1)}/`)
  else if (action !== undefined) query = query.where('action', '=', action)
  if (subject) query = query.where('subject_kind', '=', subject.kind)
  if (subject?.id !== undefined) query = query.where('subject_id', '=', subject.id)
  if (since) query = query.where('at', '>=', since.getTime())
  if (until) query = query.where('at', '<', until.getTime())
  return query.execute()
}

type Row = Awaited<ReturnType<typeof select>>[number]

function nameOf({ actor }: Row): string {
  return (JSON.parse(actor) as AuditRow['actor']).name
}

function toRow(row: Row): AuditRow {
  return {
    id: row.id,
    organizationId: row.organization_id,
    at: new Date(row.at),
    action: row.action,
    subject: { kind: row.subject_kind, id: row.subject_id },
    status: row.status,
    actor: JSON.parse(row.actor),
    source: row.source_address,
    details: JSON.parse(row.details),
  }
}
