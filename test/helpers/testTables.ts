import { type Generated, sql } from 'kysely'
import { type Migration, notNull } from '../../migrations/columns.ts'

/** Tables for the tests of src/db, which know nothing of the product's own. */
export interface TestTables {
  items: {
    id: Generated<number>
    name: string
    state: Generated<string>
    amount: Generated<number>
    enabled: Generated<number>
    content: Buffer | null
  }
}

export const testMigrations: Record<string, Migration> = {
  '0001-items': async (db, columns) => {
    await columns
      .table(db, 'items')
      .addColumn('id', ...columns.id)
      .addColumn('name', columns.text, (column) => column.notNull().unique())
      .addColumn('state', columns.text, (column) => column.notNull().defaultTo('open'))
      .addColumn('amount', columns.int, (column) => column.notNull().defaultTo(0))
      .addColumn('enabled', ...columns.flag('enabled', 1))
      .addColumn('content', columns.blob)
      .execute()
  },
  '0002-one-leader': async (db, columns) => {
    await columns.uniqueWhere(db, {
      name: 'one_leader',
      table: 'items',
      columns: ['state'],
      where: sql`state = 'leader'`,
    })
  },
  '0003-notes': async (db, columns) => {
    await columns
      .table(db, 'notes')
      .addColumn('id', ...columns.id)
      .addColumn('text', columns.text, notNull)
      .execute()
  },
}
