import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf, administers, isSuperuser } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { audit } from './audit.ts'

export interface AlertView {
  id: number
  kind: string
  subject: string
  detail: string
  createdAt: Date
}

const atMost = 1000

/** Open alerts, the newest first, at most 1000: of his organization for its administrator, all for a superuser. Throws Failure('forbidden'). */
export async function openAlerts({ it, requester }: AdminContext): Promise<AlertView[]> {
  const actor = await actorOf(it.db, requester)
  let query = alertRows(it.db).where('closed_at', 'is', null).orderBy('id', 'desc').limit(atMost)
  if (!isSuperuser(actor) && actor.user) {
    if (!actor.user.admin) throw new Failure('forbidden', 'this needs an administrator of the organization')
    query = query.where('organization_id', '=', actor.user.organizationId)
  }
  return (await query.execute()).map(({ created_at, subject_kind, subject_id, organization_id: _, ...row }) => ({
    ...row,
    subject: subject_id === null ? subject_kind : `${subject_kind} ${subject_id}`,
    createdAt: new Date(created_at),
  }))
}

/** Throws Failure('notFound') for one that is not open or not seen, 'forbidden'. */
export async function closeAlert({ it, requester }: AdminContext, id: number): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await alertRows(db).where('id', '=', id).where('closed_at', 'is', null).executeTakeFirst()
    if (!row || !administers(actor, row.organization_id)) throw new Failure('notFound', `there is no open alert ${id}`)
    if (row.kind === 'local_operator' && !actor.user) {
      throw new Failure(
        'forbidden',
        'an alert about the local operator is closed by an administrator, with his own token',
      )
    }
    await withTables<CoreTables>(db)
      .updateTable('alerts')
      .set({ closed_at: at.getTime() })
      .where('id', '=', id)
      .execute()
    await audit(db, requester, at, {
      action: 'alert.closed',
      organizationId: row.organization_id,
      subject: { kind: 'installation', id: null },
      details: { alert: id, kind: row.kind, detail: row.detail },
    })
  })
}

function alertRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('alerts')
    .select(['id', 'kind', 'organization_id', 'subject_kind', 'subject_id', 'detail', 'created_at'])
}
