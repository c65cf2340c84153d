import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

/** Whether an end entity waits for somebody else than who added or changed it. None of those that are there does. */
export async function endEntityApproval(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await db.schema
    .alterTable('ra_end_entities')
    .addColumn('awaits_approval', ...columns.flag('awaits_approval', 0))
    .execute()
}
