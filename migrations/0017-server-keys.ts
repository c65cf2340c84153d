import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Private keys that the server makes for its clients; src/core/key/serverKeyTable.ts says what the columns hold. */
export async function serverKeys(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'server_keys', {
    columns: {
      id: 'id',
      uuid: 'text!',
      profile_id: 'int! ra_profiles.id',
      organization_id: 'int! organizations.id',
      protocol: 'text!',
      ref: 'text!',
      number: 'int!',
      kind: 'text!',
      spki_hash: 'text!',
      sealed: 'blob',
      keep: 'flag',
      created_at: 'int!',
      delivered_at: 'int',
      repeat_until: 'int',
      forget_at: 'int',
    },
    // Of two nodes that make the key of one request, one has made it.
    unique: [['uuid'], ['profile_id', 'protocol', 'ref', 'number']],
    indexes: [['spki_hash'], ['forget_at']],
  })
}
