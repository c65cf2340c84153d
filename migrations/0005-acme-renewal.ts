import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Renewal information, certificate profiles, alternate chains, pre-authorization and subdomains (docs/protocols/acme.md). */
export async function acmeRenewal(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await orders(db, columns)
  await authorizations(db, columns)
  await renewalWindows(db, columns)
  await createTable(db, columns, 'authority_chains', {
    columns: {
      id: 'id',
      authority_certificate_id: 'int! authority_certificates.id',
      chain: 'text!',
      not_after: 'int!',
      created_at: 'int!',
    },
    indexes: [['authority_certificate_id']],
  })
}

async function orders(db: Kysely<unknown>, columns: Columns): Promise<void> {
  const table = () => db.schema.alterTable('acme_orders')
  await table().addColumn('variant', columns.text).execute()
  await table().addColumn('replaces', columns.text).execute()
  await table().addColumn('replaces_id', columns.int).execute()
  await table().addColumn('replaces_turn', columns.int).execute()
  await columns.uniqueWhere(db, {
    name: 'acme_orders_replaces',
    table: 'acme_orders',
    columns: ['replaces_id', 'replaces_turn'],
    where: sql`replaces_id is not null`,
  })
  await db.schema.alterTable('acme_order_identifiers').addColumn('ancestor', columns.text).execute()
}

async function authorizations(db: Kysely<unknown>, columns: Columns): Promise<void> {
  const table = () => db.schema.alterTable('acme_authorizations')
  await table()
    .addColumn('subdomains', ...columns.flag('subdomains', 0))
    .execute()
  await table()
    .addColumn('preauthorized', ...columns.flag('preauthorized', 0))
    .execute()
  await db.schema
    .alterTable('acme_accounts')
    .addColumn('preauthorizes', ...columns.flag('preauthorizes', 0))
    .execute()
}

/** The null columns mean any. */
async function renewalWindows(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'renewal_windows', {
    columns: {
      id: 'id',
      organization_id: 'int organizations.id',
      authority_id: 'int authorities.id',
      profile_id: 'int ra_profiles.id',
      certificate_id: 'int certificates.id',
      issued_before: 'int!',
      window_start: 'int!',
      window_end: 'int!',
      explanation_url: 'text',
      created_at: 'int!',
    },
    indexes: [['certificate_id', 'id']],
  })
}
