import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Sessions, what tokens are limited to, and other ways to say who one is; src/core/identity/identityTables.ts says what the columns hold. */
export async function identities(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'sessions', {
    columns: {
      id: 'id',
      uuid: 'text!',
      hash: 'text!',
      user_id: 'int! users.id',
      method: 'text!',
      source: 'text',
      user_agent: 'text',
      created_at: 'int!',
      seen_at: 'int!',
      idle: 'int!',
      ends_at: 'int!',
    },
    unique: [['uuid'], ['hash']],
    indexes: [['user_id'], ['ends_at']],
  })
  await createTable(db, columns, 'user_identities', {
    columns: {
      id: 'id',
      uuid: 'text!',
      user_id: 'int! users.id',
      issuer: 'text!',
      subject: 'text!',
      created_at: 'int!',
    },
    unique: [['uuid'], ['issuer', 'subject']],
    indexes: [['user_id']],
  })
  await createTable(db, columns, 'user_certificates', {
    columns: {
      id: 'id',
      uuid: 'text!',
      user_id: 'int! users.id',
      fingerprint: 'text',
      authority_id: 'int authorities.id',
      subject: 'text',
      created_at: 'int!',
    },
    unique: [['uuid'], ['fingerprint'], ['authority_id', 'subject']],
    indexes: [['user_id']],
  })
  await createTable(db, columns, 'login_failures', {
    columns: { key: 'text!', failures: 'int!', last_at: 'int!' },
    primaryKey: ['key'],
    indexes: [['last_at']],
  })
  await newColumns(db, columns)
}

async function newColumns(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await db.schema.alterTable('tokens').addColumn('scope', columns.text).execute()
  await db.schema.alterTable('tokens').addColumn('used_at', columns.int).execute()
  await db.schema.alterTable('users').addColumn('removed_at', columns.int).execute()
  await db.schema.alterTable('roles').addColumn('uuid', columns.text).execute()
  const { rows } = await sql<{ id: number }>`select id from roles`.execute(db)
  for (const { id } of rows) await sql`update roles set uuid = ${crypto.randomUUID()} where id = ${id}`.execute(db)
  await db.schema.createIndex('roles_uuid').unique().on('roles').column('uuid').execute()
}
