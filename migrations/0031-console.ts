import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What people need who look at the installation; src/core/listing/consoleTables.ts says what the columns hold. */
export async function console(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'revocation_codes', {
    columns: {
      id: 'id',
      user_id: 'int! users.id',
      session: 'text!',
      certificate_id: 'int!',
      hash: 'text!',
      tries: 'int=0',
      spent: 'text',
      expires_at: 'int!',
    },
    unique: [['user_id', 'session', 'certificate_id']],
    indexes: [['expires_at']],
  })
  await createTable(db, columns, 'certificate_views', {
    columns: { user_id: 'int! users.id', certificate_id: 'int!', seen_at: 'int!' },
    primaryKey: ['user_id', 'certificate_id'],
    indexes: [['seen_at']],
  })
  await createTable(db, columns, 'saved_views', {
    columns: {
      id: 'id',
      uuid: 'text!',
      user_id: 'int! users.id',
      list: 'text!',
      name: 'text!',
      filter: 'text!',
      created_at: 'int!',
    },
    unique: [['uuid'], ['user_id', 'list', 'name']],
  })
  await createTable(db, columns, 'order_counts', {
    columns: {
      organization_id: 'int! organizations.id',
      day: 'int!',
      authority_id: 'int!',
      profile_id: 'int!',
      protocol: 'text!',
      status: 'text!',
      n: 'int!',
    },
    primaryKey: ['organization_id', 'day', 'authority_id', 'profile_id', 'protocol', 'status'],
    indexes: [['day']],
  })
  // Few of many: what waits for people, and what nobody has closed.
  await sql`create index decisions_waiting on decisions (id) where outcome = 'waiting'`.execute(db)
  await sql`create index alerts_open on alerts (organization_id, id) where closed_at is null`.execute(db)
}
