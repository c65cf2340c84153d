import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What certificates need that another CA signs over ACME; src/core/upstream/upstreamTables.ts says what the columns hold. */
export async function upstream(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'upstream_accounts', {
    columns: {
      authority_id: 'int! authorities.id',
      key_id: 'int! sealed_keys.id',
      directory: 'text!',
      account_url: 'text!',
      contact: 'text!',
      eab_kid: 'text',
      ca_pem: 'text',
      created_at: 'int!',
    },
    primaryKey: ['authority_id'],
  })
  await createTable(db, columns, 'upstream_work', {
    columns: {
      id: 'id',
      sign_request_id: 'int sign_requests.id',
      revoke_request_id: 'int revoke_requests.id',
      authority_id: 'int! authorities.id',
      order_url: 'text',
      finalized: 'flag=0',
      tries: 'int=0',
      next_at: 'int!',
      lease_owner: 'text',
      lease_until: 'int',
      created_at: 'int!',
    },
    // Of two nodes that find the same request, one begins.
    unique: [['sign_request_id'], ['revoke_request_id']],
    indexes: [['next_at']],
  })
  await createTable(db, columns, 'upstream_proofs', {
    columns: {
      id: 'id',
      work_id: 'int! upstream_work.id',
      kind: 'text!',
      name: 'text!',
      token: 'text!',
      value: 'text!',
      created_at: 'int!',
    },
    unique: [['work_id', 'kind', 'token']],
    indexes: [['token']],
  })
}
