import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What CRLs and OCSP need beyond a status (docs/protocols/crl.md); src/core/tables.ts says what the columns hold. */
export async function revocation(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await newColumns(db, columns)
  await events(db, columns)
  await createTable(db, columns, 'delta_crls', {
    columns: {
      id: 'id',
      authority_certificate_id: 'int! authority_certificates.id',
      shard: 'int!',
      number: 'int!',
      base_number: 'int!',
      revocations: 'int!',
      der: 'blob!',
      this_update: 'int!',
      next_update: 'int!',
    },
    unique: [['authority_certificate_id', 'shard', 'number']],
  })
  await createTable(db, columns, 'imported_revocations', {
    columns: {
      authority_certificate_id: 'int! authority_certificates.id',
      serial: 'text!',
      shard: 'int!',
      revoked_at: 'int!',
      reason: 'text',
      invalidity_at: 'int',
    },
    primaryKey: ['authority_certificate_id', 'serial'],
  })
  await columns.uniqueWhere(db, {
    name: 'revoke_requests_open',
    table: 'revoke_requests',
    columns: ['status', 'id'],
    where: sql`status in ('requested', 'revoking')`,
  })
}

async function newColumns(db: Kysely<unknown>, columns: Columns): Promise<void> {
  const alter = (table: string) => db.schema.alterTable(table)
  await alter('certificates').addColumn('invalidity_at', columns.int).execute()
  await alter('revoke_requests').addColumn('invalidity_at', columns.int).execute()
  await alter('authorities').addColumn('crl_number_offset', columns.text).execute()
  await alter('authority_certificates')
    .addColumn('shards', columns.int, (column) => column.notNull().defaultTo(1))
    .execute()
  await alter('crls')
    .addColumn('scheduled', ...columns.flag('scheduled', 1))
    .execute()
}

/** Each change of a status since this table is there: delta CRLs are made from it. */
async function events(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'revocation_events', {
    columns: {
      id: 'id',
      authority_certificate_id: 'int! authority_certificates.id',
      shard: 'int!',
      serial: 'text!',
      change: 'int!',
      status: 'text!',
      revoked_at: 'int',
      reason: 'text',
      invalidity_at: 'int',
      not_after: 'int!',
      created_at: 'int!',
    },
    indexes: [['authority_certificate_id', 'shard', 'change']],
  })
}
