import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

/** Attributes of groups and locations too, and what is known of a certificate where it was put; src/core says what the columns hold. */
export async function moreAttributes(db: Kysely<unknown>, columns: Columns): Promise<void> {
  const add = (table: string, column: string, otherwise?: string) =>
    db.schema
      .alterTable(table)
      .addColumn(column, columns.text, (definition) =>
        otherwise === undefined ? definition : definition.notNull().defaultTo(otherwise),
      )
      .execute()
  await add('attribute_definitions', 'resources', '["certificates"]')
  await add('groups', 'attributes', '[]')
  await add('locations', 'description')
  await add('locations', 'attributes', '[]')
  await add('certificate_locations', 'delivered')
  await db.schema.alterTable('locations').addColumn('delivered_at', columns.int).execute()
}
