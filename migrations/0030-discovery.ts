import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Certificates that are looked for; src/core/discovery/discoveryTables.ts says what the columns hold. */
export async function discovery(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'discoveries', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      targets: 'text!',
      owner_id: 'int users.id',
      enabled: 'flag',
      interval_hours: 'int',
      next_at: 'int',
      running: 'flag',
      run: 'int!',
      position: 'int!',
      total: 'int!',
      started_at: 'int',
      ended_at: 'int',
      found: 'int!',
      new_certificates: 'int!',
      unreachable: 'int!',
      refused: 'int!',
      unreadable: 'int!',
      lease_owner: 'text',
      lease_until: 'int',
      turn_at: 'int!',
      created_at: 'int!',
    },
    unique: [['uuid'], ['organization_id', 'name']],
    indexes: [['running', 'turn_at'], ['next_at']],
  })
  await createTable(db, columns, 'discovery_places', {
    columns: {
      id: 'id',
      discovery_id: 'int! discoveries.id',
      place: 'text!',
      outcome: 'text!',
      detail: 'text',
      certificates: 'int!',
      new_certificates: 'int!',
      run: 'int!',
      looked_at: 'int!',
    },
    unique: [['discovery_id', 'place']],
  })
  await createTable(db, columns, 'certificate_sightings', {
    columns: {
      id: 'id',
      certificate_id: 'int! sign_requests.id',
      organization_id: 'int! organizations.id',
      place: 'text!',
      position: 'int!',
      first_seen_at: 'int!',
      last_seen_at: 'int!',
      gone_at: 'int',
    },
    unique: [['certificate_id', 'place']],
    indexes: [['organization_id', 'place']],
  })
}
