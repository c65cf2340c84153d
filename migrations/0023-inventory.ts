import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** What people keep about certificates and requests beside what was issued; src/core/inventory/inventoryTables.ts says what the columns hold. */
export async function inventory(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await records(db, columns)
  await locations(db, columns)
  await createTable(db, columns, 'profile_validations', {
    columns: {
      profile_id: 'int! ra_profiles.id',
      enabled: 'flag',
      frequency: 'int!',
      expiring_threshold: 'int!',
      round: 'int!',
      updated_at: 'int!',
    },
    primaryKey: ['profile_id'],
  })
}

async function records(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'inventory_records', {
    columns: {
      id: 'int! sign_requests.id',
      owner_id: 'int users.id',
      attributes: 'text!',
      metadata: 'text!',
      archived_at: 'int',
      deleted_at: 'int',
      trusted_ca: 'flag',
      ca_subject: 'text',
      validation_status: 'text!',
      validation: 'text',
      validated_at: 'int',
    },
    primaryKey: ['id'],
    indexes: [['ca_subject'], ['owner_id']],
  })
  await columns.uniqueWhere(db, {
    name: 'inventory_records_archived',
    table: 'inventory_records',
    columns: ['id'],
    where: sql`archived_at is not null or deleted_at is not null`,
  })
  await createTable(db, columns, 'certificate_groups', {
    columns: { certificate_id: 'int! sign_requests.id', group_id: 'int!' },
    primaryKey: ['certificate_id', 'group_id'],
    indexes: [['group_id', 'certificate_id']],
  })
  await createTable(db, columns, 'certificate_relations', {
    columns: {
      successor_id: 'int! sign_requests.id',
      predecessor_id: 'int! sign_requests.id',
      created_at: 'int!',
    },
    primaryKey: ['successor_id', 'predecessor_id'],
    indexes: [['predecessor_id']],
  })
  // Who renews a certificate is asked by the certificate.
  await columns.uniqueWhere(db, {
    name: 'sign_requests_renewing',
    table: 'sign_requests',
    columns: ['renews_id', 'id'],
    where: sql`renews_id is not null`,
  })
  // Whether an alert is open is asked for each certificate that nears its end.
  await db.schema
    .createIndex('alerts_by_subject')
    .on('alerts')
    .columns(['subject_kind', 'subject_id', 'kind'])
    .execute()
  await createTable(db, columns, 'attribute_definitions', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      label: 'text!',
      description: 'text',
      content_type: 'text!',
      required: 'flag',
      list: 'flag',
      constraints: 'text!',
      created_at: 'int!',
    },
    unique: [['uuid'], ['organization_id', 'name']],
  })
}

async function locations(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'locations', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      kind: 'text!',
      settings: 'text!',
      secret: 'blob',
      enabled: 'flag',
      multiple: 'flag',
      created_at: 'int!',
    },
    unique: [['uuid'], ['organization_id', 'name']],
  })
  await createTable(db, columns, 'certificate_locations', {
    columns: {
      id: 'id',
      certificate_id: 'int! sign_requests.id',
      location_id: 'int! locations.id',
      entry: 'text!',
      replaces_id: 'int',
      status: 'text!',
      last_error: 'text',
      created_at: 'int!',
      pushed_at: 'int',
    },
    unique: [['certificate_id', 'location_id']],
    indexes: [['location_id', 'entry']],
  })
  await columns.uniqueWhere(db, {
    name: 'certificate_locations_waiting',
    table: 'certificate_locations',
    columns: ['certificate_id', 'location_id'],
    where: sql`status = 'waiting'`,
  })
}
