import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type AuditSubject, audit } from './audit.ts'

export interface Alert {
  /** What it is about: policy_refusal, order_failed, authority_expiring … */
  kind: string
  organizationId: number | null
  subject: { kind: AuditSubject; id: number | null }
  detail: string
}

/** Something that a person should look at. While an alert on the same subject is open, no second one is made, by whatever node. */
export async function raiseAlert(db: Database, at: Date, alert: Alert): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const { kind, organizationId, subject, detail } = alert
  if (await isOpen(db, alert)) return
  if (db.dialect === 'postgres') {
    // Another node may find the same at the same moment, and has told nobody yet.
    const name = `${kind} ${subject.kind} ${subject.id} ${detail}`
    await sql`select pg_advisory_xact_lock(7215, hashtext(${name}))`.execute(tables)
    if (await isOpen(db, alert)) return
  }
  await tables
    .insertInto('alerts')
    .values({
      organization_id: organizationId,
      kind,
      subject_kind: subject.kind,
      subject_id: subject.id,
      detail,
      created_at: at.getTime(),
      closed_at: null,
    })
    .execute()
}

async function isOpen(db: Database, { kind, subject, detail }: Alert): Promise<boolean> {
  const known = await withTables<CoreTables>(db)
    .selectFrom('alerts')
    .select('id')
    .where('kind', '=', kind)
    .where('subject_kind', '=', subject.kind)
    .where('subject_id', subject.id === null ? 'is' : '=', subject.id)
    .where('detail', '=', detail)
    .where('closed_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return known !== undefined
}

/** Closes what was said of a request that waits for people (attend.ts), when it waits no more or its next step begins. */
export async function closeWaiting(db: Database, at: Date, subject: Alert['subject']): Promise<void> {
  const open = await withTables<CoreTables>(db)
    .selectFrom('alerts')
    .select(['organization_id as organizationId', 'detail'])
    .where('kind', '=', 'approval.waiting')
    .where('subject_kind', '=', subject.kind)
    .where('subject_id', '=', subject.id)
    .where('closed_at', 'is', null)
    .execute()
  for (const alert of open) await closeAlerts(db, at, { kind: 'approval.waiting', subject, ...alert })
}

/** Closes what raiseAlert has raised, when it is well again: open alerts of this kind on this subject, with this detail. */
export async function closeAlerts(db: Database, at: Date, alert: Alert): Promise<void> {
  const { kind, organizationId, subject, detail } = alert
  const closed = await withTables<CoreTables>(db)
    .updateTable('alerts')
    .set({ closed_at: at.getTime() })
    .where('kind', '=', kind)
    .where('subject_kind', '=', subject.kind)
    .where('subject_id', subject.id === null ? 'is' : '=', subject.id)
    .where('detail', '=', detail)
    .where('closed_at', 'is', null)
    .returning('id')
    .execute()
  for (const { id } of closed)
    await audit(db, system('upkeep'), at, {
      action: 'alert.closed',
      organizationId,
      subject: { kind: 'installation', id: null },
      details: { alert: id, kind, detail },
    })
}
