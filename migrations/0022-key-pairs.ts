import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Key pairs that the keystore holds for certificates; src/core/key/keyPairTables.ts says what the columns hold. */
export async function keyPairs(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'key_profiles', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      description: 'text!',
      specs: 'text!',
      enabled: 'flag',
      created_at: 'int!',
      deleted_at: 'int',
    },
    unique: [['uuid']],
  })
  await columns.uniqueWhere(db, {
    name: 'key_profiles_name',
    table: 'key_profiles',
    columns: ['organization_id', 'name'],
    where: sql`deleted_at is null`,
  })
  await createTable(db, columns, 'key_pairs', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      key_profile_id: 'int! key_profiles.id',
      name: 'text!',
      description: 'text!',
      spec: 'text!',
      spki: 'blob!',
      spki_hash: 'text!',
      sealed: 'blob',
      enabled: 'flag',
      owner_id: 'int users.id',
      created_at: 'int!',
      destroyed_at: 'int',
    },
    unique: [['uuid'], ['spki_hash']],
    indexes: [['organization_id', 'id'], ['key_profile_id']],
  })
  await columns.uniqueWhere(db, {
    name: 'key_pairs_name',
    table: 'key_pairs',
    columns: ['organization_id', 'name'],
    where: sql`destroyed_at is null`,
  })
  await createTable(db, columns, 'key_pair_groups', {
    // By uuid: a number may come again for another group once this one is deleted.
    columns: { key_pair_id: 'int! key_pairs.id', group_uuid: 'text!' },
    primaryKey: ['key_pair_id', 'group_uuid'],
  })
  await db.schema
    .alterTable('revoke_requests')
    .addColumn('destroy_key', ...columns.flag('destroy_key', 0))
    .execute()
}
