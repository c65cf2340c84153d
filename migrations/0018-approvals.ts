import { type ColumnDefinitionBuilder, type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Groups, delegations, standing approvals, and steps that call others (docs/approval.md); src/core/approval/approvalTables.ts says what the columns hold. */
export async function approvals(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await groups(db, columns)
  await delegations(db, columns)
  await standingApprovals(db, columns)
  const reference = (column: string) => (definition: ColumnDefinitionBuilder) => definition.references(column)
  const alter = (table: string) => db.schema.alterTable(table)
  await alter('votes').addColumn('delegation_id', columns.int, reference('delegations.id')).execute()
  await alter('decisions').addColumn('standing_approval_id', columns.int, reference('standing_approvals.id')).execute()
  await alter('decisions').addColumn('attend_at', columns.int).execute()
  await alter('decisions').addColumn('attended', columns.text).execute()
  await columns.uniqueWhere(db, {
    name: 'decisions_attend',
    table: 'decisions',
    columns: ['attend_at', 'id'],
    where: sql`attend_at is not null`,
  })
  await columns.uniqueWhere(db, {
    name: 'decisions_granted',
    table: 'decisions',
    columns: ['standing_approval_id', 'id'],
    where: sql`standing_approval_id is not null`,
  })
}

async function groups(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'groups', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      description: 'text',
      email: 'text',
      created_at: 'int!',
    },
    unique: [['uuid'], ['organization_id', 'name']],
  })
  await createTable(db, columns, 'group_members', {
    columns: { group_id: 'int! groups.id', user_id: 'int! users.id' },
    primaryKey: ['group_id', 'user_id'],
    indexes: [['user_id']],
  })
}

async function delegations(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'delegations', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      delegator_id: 'int! users.id',
      delegate_id: 'int! users.id',
      profile_id: 'int ra_profiles.id',
      authority_id: 'int authorities.id',
      from_at: 'int!',
      until_at: 'int!',
      reason: 'text',
      created_at: 'int!',
      ended_at: 'int',
    },
    unique: [['uuid']],
    indexes: [['delegator_id'], ['delegate_id'], ['organization_id', 'id']],
  })
}

async function standingApprovals(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'standing_approvals', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      profile_id: 'int! ra_profiles.id',
      action: 'text!',
      rule: 'text!',
      rule_version: 'text!',
      steps: 'text!',
      requester_key: 'text',
      requester_user_id: 'int users.id',
      names: 'text!',
      days: 'int',
      uses: 'int!',
      uses_left: 'int!',
      until_at: 'int!',
      maker_id: 'int! users.id',
      reason: 'text!',
      created_at: 'int!',
      ended_at: 'int',
    },
    unique: [['uuid']],
    indexes: [
      ['profile_id', 'action', 'rule_version'],
      ['organization_id', 'id'],
    ],
  })
  await createTable(db, columns, 'standing_approval_votes', {
    columns: {
      standing_approval_id: 'int! standing_approvals.id',
      user_id: 'int! users.id',
      step: 'int!',
      created_at: 'int!',
    },
    primaryKey: ['standing_approval_id', 'user_id'],
  })
}
