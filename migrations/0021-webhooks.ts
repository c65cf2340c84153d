import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Who is told of what happens, and who decides from elsewhere; src/core/webhook/webhookTables.ts says what the columns hold. */
export async function webhooks(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'webhooks', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      url: 'text',
      ca: 'text',
      events: 'text!',
      profiles: 'text',
      with_csr: 'flag',
      enabled: 'flag',
      secret: 'blob!',
      secret_before: 'blob',
      before_until: 'int',
      position: 'int!',
      failures: 'int!',
      next_at: 'int',
      lease_owner: 'text',
      lease_until: 'int',
      inbound_secret: 'blob',
      inbound_before: 'blob',
      inbound_before_until: 'int',
      inbound_user_id: 'int users.id',
      inbound_maker_id: 'int users.id',
      inbound_before_maker_id: 'int users.id',
      created_at: 'int!',
    },
    unique: [['uuid'], ['organization_id', 'name']],
  })
  await createTable(db, columns, 'webhook_deliveries', {
    columns: {
      id: 'id',
      uuid: 'text!',
      webhook_id: 'int! webhooks.id',
      position: 'int',
      type: 'text!',
      body: 'text!',
      status: 'text!',
      attempts: 'int!',
      last_error: 'text',
      created_at: 'int!',
      give_up_at: 'int!',
      tried_at: 'int',
    },
    // Of two nodes that hand out one event, one has.
    unique: [['uuid'], ['webhook_id', 'position']],
    indexes: [['webhook_id', 'id'], ['webhook_id', 'status', 'id'], ['created_at']],
  })
  await columns.uniqueWhere(db, {
    name: 'webhook_deliveries_pending',
    table: 'webhook_deliveries',
    columns: ['webhook_id', 'id'],
    where: sql`status = 'pending'`,
  })
  await createTable(db, columns, 'webhook_answers', {
    columns: {
      webhook_id: 'int! webhooks.id',
      delivery: 'text!',
      body_hash: 'text!',
      answer: 'text!',
      created_at: 'int!',
    },
    primaryKey: ['webhook_id', 'delivery'],
    indexes: [['created_at']],
  })
}
