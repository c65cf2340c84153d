import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

/** Which orders still name an authorization: asked before one is forgotten (protocols/acme/retention.ts), and by the foreign key. */
export async function acmeRetention(db: Kysely<unknown>, _columns: Columns): Promise<void> {
  await db.schema
    .createIndex('acme_order_identifiers_by_authorization_id')
    .on('acme_order_identifiers')
    .column('authorization_id')
    .execute()
}
