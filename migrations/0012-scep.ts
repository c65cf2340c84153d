import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Which request a SCEP transaction is about; protocols/scep/tables.ts says what the columns hold. */
export async function scep(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'scep_transactions', {
    columns: { ref: 'text!', content: 'text!', number: 'int!', origin: 'text!', created_at: 'int!' },
    primaryKey: ['ref'],
    unique: [['content', 'number']],
  })
}
