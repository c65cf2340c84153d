import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What the contract of FastPKI has and the core has not; protocols/fastpki/tables.ts says what the columns hold. */
export async function fastpki(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'fastpki_token_families', {
    columns: {
      id: 'id',
      uuid: 'text!',
      user_id: 'int! users.id',
      session: 'blob!',
      ends_at: 'int!',
      ended_at: 'int',
    },
    unique: [['uuid']],
    indexes: [['ends_at'], ['user_id']],
  })
  await createTable(db, columns, 'fastpki_refresh_tokens', {
    columns: {
      hash: 'text!',
      family_id: 'int! fastpki_token_families.id',
      ends_at: 'int!',
      used_at: 'int',
    },
    primaryKey: ['hash'],
    indexes: [['family_id']],
  })
  await createTable(db, columns, 'fastpki_sign_ins', {
    columns: { network: 'text!', free_at: 'int!' },
    primaryKey: ['network'],
    indexes: [['free_at']],
  })
  await createTable(db, columns, 'fastpki_emails', {
    columns: { username: 'text!', email: 'text!', updated_at: 'int!' },
    primaryKey: ['username'],
    unique: [['email']],
  })
  await createTable(db, columns, 'fastpki_organizations', {
    columns: { organization_id: 'int! organizations.id', description: 'text', updated_at: 'int!' },
    primaryKey: ['organization_id'],
  })
  await createTable(db, columns, 'fastpki_authorities', {
    columns: {
      authority_id: 'int! authorities.id',
      organization_id: 'int! organizations.id',
      name: 'text!',
      description: 'text',
      allow_leaf_certs: 'flag',
      created_by: 'int users.id',
      created_at: 'int!',
      updated_at: 'int!',
      deleted_at: 'int',
    },
    primaryKey: ['authority_id'],
    indexes: [['organization_id', 'name']],
  })
}
