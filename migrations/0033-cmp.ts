import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What a transaction of CMP is about; protocols/cmp/tables.ts says what the columns hold. */
export async function cmp(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'cmp_transactions', {
    columns: {
      ref: 'text!',
      place: 'text!',
      signer: 'text',
      body: 'text!',
      content: 'text!',
      origin: 'text!',
      certificate: 'int',
      reason: 'text',
      implicit: 'flag',
      confirm_until: 'int',
      confirmed_at: 'int',
      created_at: 'int!',
    },
    primaryKey: ['ref'],
    indexes: [['place'], ['content', 'created_at']],
  })
}
