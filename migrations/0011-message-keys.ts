import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** The RSA keys by which profiles read and sign enveloped messages (docs/protocols/scep.md). */
export async function messageKeys(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'message_keys', {
    columns: {
      id: 'id',
      profile_id: 'int! ra_profiles.id',
      number: 'int!',
      key_id: 'int! sealed_keys.id',
      certificate_id: 'int! certificates.id',
      not_after: 'int!',
      created_at: 'int!',
    },
    // Of two nodes that make the next one, one has made it.
    unique: [['profile_id', 'number']],
  })
}
