import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** ACME's tables; protocols/acme/tables.ts says what their columns hold. */
export async function acme(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'acme_accounts', {
    columns: {
      id: 'id',
      uuid: 'text!',
      profile_id: 'int! ra_profiles.id',
      profile: 'text!',
      jwk: 'text!',
      thumbprint: 'text!',
      status: 'text!',
      contact: 'text!',
      terms_agreed: 'text',
      created_at: 'int!',
    },
    unique: [['uuid'], ['profile_id', 'thumbprint']],
  })
  await orders(db, columns)
  // An order's answer must not wait for the disk because of a nonce; SQLite's one process keeps them in memory.
  if (columns.dialect === 'postgres')
    await sql`create unlogged table acme_nonces (nonce bytea primary key, at bigint not null)`.execute(db)
}

async function orders(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'acme_authorizations', {
    columns: {
      id: 'id',
      uuid: 'text!',
      account_id: 'int! acme_accounts.id',
      type: 'text!',
      value: 'text!',
      wildcard: 'flag',
      token: 'text!',
      offered: 'text!',
      status: 'text!',
      expires_at: 'int!',
      lifetime: 'int!',
      challenge: 'text',
      queries: 'int!',
      queried_at: 'int',
      validated_at: 'int',
      error: 'text',
      created_at: 'int!',
    },
    unique: [['uuid']],
  })
  await columns.uniqueWhere(db, {
    name: 'acme_authorizations_valid',
    table: 'acme_authorizations',
    columns: ['account_id', 'value', 'id'],
    where: sql`status = 'valid'`,
  })
  await createTable(db, columns, 'acme_orders', {
    columns: {
      id: 'id',
      uuid: 'text!',
      account_id: 'int! acme_accounts.id',
      not_before: 'int',
      not_after: 'int',
      expires_at: 'int!',
      finalized_at: 'int',
      created_at: 'int!',
    },
    unique: [['uuid']],
    indexes: [['account_id', 'id']],
  })
  await createTable(db, columns, 'acme_order_identifiers', {
    columns: {
      order_id: 'int! acme_orders.id',
      position: 'int!',
      type: 'text!',
      value: 'text!',
      authorization_id: 'int! acme_authorizations.id',
    },
    primaryKey: ['order_id', 'position'],
  })
}
