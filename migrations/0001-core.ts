import { type Kysely, sql } from 'kysely'
import { requestTables } from './0001-core-requests.ts'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** The core's tables; src/core/tables.ts says what their columns hold. */
export async function core(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await identity(db, columns)
  await authorities(db, columns)
  await requestTables(db, columns)
}

async function identity(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'settings', { columns: { name: 'text!', value: 'text!' }, primaryKey: ['name'] })
  await createTable(db, columns, 'organizations', {
    columns: { id: 'id', uuid: 'text!', name: 'text!', created_at: 'int!' },
    unique: [['uuid'], ['name']],
  })
  await createTable(db, columns, 'users', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      password_hash: 'text',
      superuser: 'flag',
      admin: 'flag',
      enabled: 'flag',
      created_at: 'int!',
    },
    unique: [['uuid'], ['name']],
  })
  await createTable(db, columns, 'roles', {
    columns: { id: 'id', organization_id: 'int! organizations.id', name: 'text!' },
    unique: [['organization_id', 'name']],
  })
  await createTable(db, columns, 'role_members', {
    columns: { role_id: 'int! roles.id', user_id: 'int! users.id' },
    primaryKey: ['role_id', 'user_id'],
    indexes: [['user_id']],
  })
  await createTable(db, columns, 'tokens', {
    columns: {
      id: 'id',
      uuid: 'text!',
      user_id: 'int! users.id',
      name: 'text!',
      hash: 'text!',
      created_at: 'int!',
      expires_at: 'int',
      revoked_at: 'int',
    },
    unique: [['uuid'], ['hash']],
  })
  await createTable(db, columns, 'setup_links', {
    columns: { id: 'id', user_id: 'int! users.id', hash: 'text!', expires_at: 'int!', used_at: 'int' },
    unique: [['hash']],
  })
}

async function authorities(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'sealed_keys', {
    columns: { id: 'id', uuid: 'text!', purpose: 'text!', spki_hash: 'text!', sealed: 'blob!', created_at: 'int!' },
    unique: [['uuid']],
    indexes: [['spki_hash']],
  })
  await createTable(db, columns, 'authorities', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      kind: 'text!',
      owner_id: 'int users.id',
      enabled: 'flag',
      version: 'int=1',
      revocations: 'int=0',
      crl_number: 'int=0',
      settings: 'text!',
      created_at: 'int!',
    },
    unique: [['uuid'], ['name']],
  })
  await createTable(db, columns, 'authority_certificates', {
    columns: {
      id: 'id',
      authority_id: 'int! authorities.id',
      key_id: 'int sealed_keys.id',
      certificate: 'blob!',
      chain: 'text!',
      spki_hash: 'text!',
      not_after: 'int!',
      active: 'flag',
      created_at: 'int!',
    },
    indexes: [['authority_id']],
  })
  await columns.uniqueWhere(db, {
    name: 'authority_certificates_active',
    table: 'authority_certificates',
    columns: ['authority_id'],
    where: sql`active = 1`,
  })
  await createTable(db, columns, 'responders', {
    columns: {
      id: 'id',
      authority_certificate_id: 'int! authority_certificates.id',
      key_id: 'int! sealed_keys.id',
      certificate: 'blob!',
      not_before: 'int!',
      not_after: 'int!',
    },
    indexes: [['authority_certificate_id', 'not_after']],
  })
  await createTable(db, columns, 'crls', {
    columns: {
      id: 'id',
      authority_certificate_id: 'int! authority_certificates.id',
      shard: 'int!',
      number: 'int!',
      revocations: 'int!',
      der: 'blob!',
      this_update: 'int!',
      next_update: 'int!',
    },
    unique: [['authority_certificate_id', 'shard', 'number']],
  })
  await createTable(db, columns, 'ra_profiles', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      authority_id: 'int! authorities.id',
      enabled: 'flag',
      builtin: 'flag',
      version: 'int=1',
      settings: 'text!',
      protocols: 'text!',
      rules: 'text!',
      created_at: 'int!',
      updated_at: 'int!',
    },
    unique: [['uuid'], ['name']],
  })
  await createTable(db, columns, 'capabilities', {
    columns: {
      id: 'id',
      user_id: 'int users.id',
      role_id: 'int roles.id',
      authority_id: 'int authorities.id',
      profile_id: 'int ra_profiles.id',
      capability: 'text!',
    },
    indexes: [['user_id'], ['role_id']],
  })
  await createTable(db, columns, 'blocked_keys', {
    columns: { spki_hash: 'text!', reason: 'text!', created_at: 'int!' },
    primaryKey: ['spki_hash'],
  })
}
