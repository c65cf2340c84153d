import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What lets somebody enrol who has no key known here yet, and what ACME keeps of it with an account. */
export async function credentials(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'credentials', {
    columns: {
      id: 'id',
      uuid: 'text!',
      kind: 'text!',
      name: 'text!',
      sealed: 'blob!',
      profile_id: 'int! ra_profiles.id',
      organization_id: 'int! organizations.id',
      identifiers: 'text',
      single_use: 'flag',
      note: 'text',
      created_by: 'int! users.id',
      created_at: 'int!',
      expires_at: 'int',
      used_at: 'int',
      used_by: 'text',
      revoked_at: 'int',
    },
    unique: [['uuid'], ['profile_id', 'kind', 'name']],
    indexes: [['organization_id', 'id']],
  })
  const accounts = db.schema.alterTable('acme_accounts')
  await accounts.addColumn('credential_id', columns.int, (column) => column.references('credentials.id')).execute()
  await accounts.addColumn('binding', columns.text).execute()
  await accounts.addColumn('people', columns.text).execute()
}
