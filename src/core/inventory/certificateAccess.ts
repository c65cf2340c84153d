import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { AdminContext } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import type { Certificate } from '../certificate.ts'
import type { RequestRef } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { findItem } from './inventoryItem.ts'

const HOUR = 3_600_000

/** See Inventory.opened. */
export async function noteOpened({ it, requester }: AdminContext, ref: RequestRef): Promise<void> {
  const [userId] = requester.people
  if (requester.kind !== 'user' || userId === undefined) return
  const { id, source, organizationId } = await findItem(it.db, requester, ref)
  if (source === undefined || (await sawLately(it.db, userId, { id, at: it.clock() }))) return
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    await tables
      .deleteFrom('certificate_views')
      .where('seen_at', '<=', at.getTime() - HOUR)
      .execute()
    const first = await tables
      .insertInto('certificate_views')
      .values({ user_id: userId, certificate_id: id, seen_at: at.getTime() })
      .onConflict((conflict) => conflict.doNothing())
      .returning('user_id')
      .executeTakeFirst()
    if (!first) return
    const subject = { kind: 'certificate', id } as const
    await audit(db, requester, at, { action: 'certificate.view.accessed', organizationId, subject })
  })
}

async function sawLately(db: Database, userId: number, { id, at }: { id: number; at: Date }): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('certificate_views')
    .select('seen_at')
    .where('user_id', '=', userId)
    .where('certificate_id', '=', id)
    .executeTakeFirst()
  return row !== undefined && row.seen_at > at.getTime() - HOUR
}

/** Tells of a certificate that was handed out as a file. A token that only reads may have it, too. */
export async function noteDownloaded(
  { it, requester }: AdminContext,
  { id, organizationId, serial }: Certificate,
  form: { format: string; encoding: string; chain: string },
): Promise<void> {
  const { scope: _, ...reader } = requester
  await transaction(it.db, (db) =>
    audit(db, reader, it.clock(), {
      action: 'certificate.download.success',
      organizationId,
      subject: { kind: 'certificate', id },
      details: { serial, ...form },
    }),
  )
}
