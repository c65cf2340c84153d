import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Large CRLs in parts, and the entries of CRLs read from an index alone (docs/protocols/crl.md). */
export async function crlParts(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'crl_parts', {
    columns: {
      authority_certificate_id: 'int! authority_certificates.id',
      shard: 'int!',
      number: 'int!',
      delta: 'flag',
      part: 'int!',
      der: 'blob!',
    },
    primaryKey: ['authority_certificate_id', 'shard', 'number', 'delta', 'part'],
  })
  for (const table of ['crls', 'delta_crls']) {
    await db.schema.alterTable(table).addColumn('number_offset', columns.text).execute()
    await db.schema
      .alterTable(table)
      .addColumn('parts', columns.int, (column) => column.notNull().defaultTo(0))
      .execute()
    await db.schema
      .alterTable(table)
      .addColumn('idp', ...columns.flag('idp', 0))
      .execute()
  }
  await db.schema.alterTable('certificates').addColumn('crl_entry', columns.blob).execute()
  // Entries are read from the index alone: the certificates themselves would be a thousand octets each to read.
  await db.schema.dropIndex('certificates_withdrawn').execute()
  await columns.uniqueWhere(db, {
    name: 'certificates_listed',
    table: 'certificates',
    // SQLite asks for the status although the index has no others.
    columns: ['authority_certificate_id', 'shard', 'not_after', 'id', 'crl_entry', 'status'],
    where: sql`status <> 'issued'`,
  })
  await db.schema
    .createIndex('revocation_events_by_serial')
    .on('revocation_events')
    .columns(['authority_certificate_id', 'serial', 'change'])
    .execute()
  await earlierRevocations(db)
}

/** What was revoked before changes were written down has an event too, before all counted ones. */
export async function earlierRevocations(db: Kysely<unknown>): Promise<void> {
  await sql`
    insert into revocation_events (authority_certificate_id, shard, serial, change, status, revoked_at, reason,
      invalidity_at, not_after, created_at)
    select authority_certificate_id, shard, serial, 0, status, revoked_at, revocation_reason, invalidity_at, not_after,
      coalesce(revoked_at, 0)
    from certificates where status <> 'issued' and authority_certificate_id is not null`.execute(db)
  // Which of them a CRL of then knows is not written down: one that may lack some is made anew, and no delta builds on it.
  await sql`
    update crls set revocations = -1, scheduled = 0
    where revocations < (select authorities.revocations from authorities
      join authority_certificates as own on own.authority_id = authorities.id
      where own.id = crls.authority_certificate_id)`.execute(db)
}
