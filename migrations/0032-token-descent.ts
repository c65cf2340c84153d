import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

/** With which token another was made: whoever revokes the one revokes the other. */
export async function tokenDescent(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await db.schema.alterTable('tokens').addColumn('made_with', columns.int).execute()
  await db.schema.createIndex('tokens_made_with').on('tokens').column('made_with').execute()
}
