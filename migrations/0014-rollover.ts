import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** The next key and certificate of an authority, from when they are made until they take over (docs/operate/rollover.md). */
export async function rollover(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'authority_rollovers', {
    columns: {
      id: 'id',
      authority_id: 'int! authorities.id',
      status: 'text!',
      previous_id: 'int! authority_certificates.id',
      next_id: 'int authority_certificates.id',
      key_id: 'int sealed_keys.id',
      csr: 'blob',
      validity: 'int!',
      starts_at: 'int!',
      new_with_old: 'blob',
      old_with_new: 'blob',
      lease_until: 'int!',
      last_error: 'text',
      created_at: 'int!',
      ended_at: 'int',
    },
    indexes: [['next_id']],
  })
  // An authority has one next certificate, whoever prepares it at the same time.
  await columns.uniqueWhere(db, {
    name: 'authority_rollovers_open',
    table: 'authority_rollovers',
    columns: ['authority_id'],
    where: sql`status in ('requested', 'prepared')`,
  })
}
