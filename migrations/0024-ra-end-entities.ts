import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** End entities of RA profiles and what was ordered with their passwords; protocols/ra/tables.ts says what the columns hold. */
export async function endEntities(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'ra_end_entities', {
    columns: {
      id: 'id',
      uuid: 'text!',
      profile_id: 'int! ra_profiles.id',
      username: 'text!',
      password_hash: 'text!',
      subject: 'text!',
      names: 'text',
      email: 'text',
      extension_data: 'text!',
      status: 'text!',
      round: 'int!',
      version: 'int!',
      order_ref: 'text',
      added_by: 'int! users.id',
      people: 'text!',
      created_at: 'int!',
      updated_at: 'int!',
    },
    unique: [['uuid'], ['profile_id', 'username']],
  })
  await createTable(db, columns, 'ra_end_entity_orders', {
    columns: {
      id: 'id',
      end_entity_id: 'int! ra_end_entities.id',
      ref: 'text!',
      created_at: 'int!',
    },
    unique: [['ref']],
    indexes: [['end_entity_id']],
  })
}
