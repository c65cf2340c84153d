import { type Kysely, sql } from 'kysely'
import { raAttributes } from './0024-ra-attributes.ts'
import { endEntities } from './0024-ra-end-entities.ts'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Named options of protocols, named approval steps, and what lists of decisions by people go by; src/core/profile/raTables.ts says what the columns hold. */
export async function ra(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'option_sets', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      protocol: 'text!',
      name: 'text!',
      description: 'text!',
      enabled: 'flag',
      options: 'text!',
      details: 'text!',
      created_at: 'int!',
    },
    unique: [['uuid'], ['organization_id', 'protocol', 'name']],
  })
  await createTable(db, columns, 'option_set_uses', {
    columns: {
      profile_id: 'int! ra_profiles.id',
      protocol: 'text!',
      option_set_id: 'int option_sets.id',
      kept: 'text',
    },
    primaryKey: ['profile_id', 'protocol'],
    indexes: [['option_set_id']],
  })
  await createTable(db, columns, 'approval_plans', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      enabled: 'flag',
      created_at: 'int!',
    },
    unique: [['uuid'], ['organization_id', 'name']],
  })
  await createTable(db, columns, 'approval_plan_versions', {
    columns: {
      plan_id: 'int! approval_plans.id',
      version: 'int!',
      description: 'text!',
      hours: 'int',
      steps: 'text!',
      created_at: 'int!',
    },
    primaryKey: ['plan_id', 'version'],
  })
  // Of orders that nobody is asked about there are millions; these indexes hold the others alone.
  const asked = sql`steps <> '[]'`
  await columns.uniqueWhere(db, { name: 'decisions_asked', table: 'decisions', columns: ['id'], where: asked })
  await columns.uniqueWhere(db, {
    name: 'decisions_asked_by_rule',
    table: 'decisions',
    columns: ['rule', 'id'],
    where: asked,
  })
  await endEntities(db, columns)
  await raAttributes(db, columns)
}
