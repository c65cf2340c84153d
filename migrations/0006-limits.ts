import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** How often something may be asked, and what ACME keeps to ask for it only when it must (docs/operate/limits.md). */
export async function limits(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'limit_buckets', {
    columns: {
      profile_id: 'int! ra_profiles.id',
      name: 'text!',
      key: 'text!',
      arrival: 'int!',
      spacing: 'int!',
      burst: 'int!',
      overridden_until: 'int=0',
      note: 'text',
    },
    primaryKey: ['profile_id', 'name', 'key'],
  })
  await db.schema.alterTable('acme_accounts').addColumn('failed_at', columns.int).execute()
  await db.schema
    .alterTable('acme_orders')
    .addColumn('charged', ...columns.flag('charged', 0))
    .execute()
}
