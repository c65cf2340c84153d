import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

/** When a certificate was rejected by its client, or was not confirmed in time, which is the same. */
export async function cmpRejection(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await db.schema.alterTable('cmp_transactions').addColumn('rejected_at', columns.int).execute()
}
