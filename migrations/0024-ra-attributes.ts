import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What clients filled in with an order or a revocation; protocols/ra/tables.ts says what the columns hold. */
export async function raAttributes(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'ra_attributes', {
    columns: { kind: 'text!', ref: 'text!', attributes: 'text!' },
    primaryKey: ['kind', 'ref'],
  })
}
