import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/**
 * Whose certificate request it is: a requestor's list of Notary holds his own, however many others there are. And what FastPKI's clients ordered
 * with an Idempotency-Key (protocols/fastpki/tables.ts).
 */
export async function notaryAskers(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await db.schema.alterTable('notary_requests').addColumn('asker', columns.int).execute()
  const asker =
    columns.dialect === 'sqlite'
      ? sql`cast(json_extract(s.requester, '$.people[0]') as integer)`
      : sql`(s.requester::jsonb -> 'people' ->> 0)::bigint`
  await sql`update notary_requests set asker = (select ${asker} from sign_requests s
    where s.protocol = 'notary' and s.origin_ref = notary_requests.ref || '.0' order by s.origin_generation limit 1)`.execute(
    db,
  )
  await db.schema
    .createIndex('notary_requests_by_asker')
    .on('notary_requests')
    .columns(['organization_id', 'asker', 'created_at'])
    .execute()
  await createTable(db, columns, 'fastpki_order_keys', {
    columns: { ref: 'text!', said: 'text!', created_at: 'int!' },
    primaryKey: ['ref'],
    indexes: [['created_at']],
  })
}
