import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

/** A message that its webhook alone does not take is set aside until then. */
export async function reliability(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await db.schema.alterTable('webhook_deliveries').addColumn('not_before', columns.int).execute()
}
