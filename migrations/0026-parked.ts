import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What was asked of a request that is parked or waits; src/core/issuance/askedTable.ts says what the columns hold. */
export async function parked(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'asked_orders', {
    columns: {
      sign_request_id: 'int! sign_requests.id',
      asked: 'text!',
      registration: 'text',
      secret: 'text',
      failed_attempts: 'int=0',
      expires_at: 'int',
    },
    primaryKey: ['sign_request_id'],
  })
}
