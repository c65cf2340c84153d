import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/**
 * The keys under which others are sealed, once they were changed. Each one's secret stays outside; what of it must be known while another one takes
 * over is sealed under that other one.
 */
export async function keySecrets(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'key_secrets', {
    columns: { key_id: 'text!', state: 'text!', first: 'flag', created_at: 'int!' },
    primaryKey: ['key_id'],
  })
  await createTable(db, columns, 'key_secret_wraps', {
    columns: { under_id: 'text! key_secrets.key_id', part: 'text!', sealed: 'blob!' },
    primaryKey: ['under_id', 'part'],
  })
}
