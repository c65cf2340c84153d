import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

/**
 * A column in one word each: id, int, text, blob or flag; then `!` for not null; then, after a space, the column of
 * another table that it references. `flag` is never null; `flag=1` has a default.
 */
type Column =
  | 'id'
  | `${'int' | 'text' | 'blob'}${'' | '!'}${'' | ` ${string}.${string}` | `=${number}`}`
  | 'flag'
  | 'flag=0'
  | 'flag=1'

interface Table {
  columns: Record<string, Column>
  primaryKey?: string[]
  unique?: string[][]
  indexes?: string[][]
}

/** Makes one table with its constraints and indexes, named after their columns. */
export async function createTable(db: Kysely<unknown>, columns: Columns, name: string, table: Table): Promise<void> {
  let builder = columns.table(db, name)
  for (const [column, spec] of Object.entries(table.columns)) {
    if (spec === 'id') builder = builder.addColumn(column, ...columns.id)
    else if (spec.startsWith('flag')) {
      builder = builder.addColumn(
        column,
        ...columns.flag(column, spec === 'flag' ? undefined : spec === 'flag=1' ? 1 : 0),
      )
    } else {
      const [, type, required, rest = ''] = /^(int|text|blob)(!?)(.*)$/.exec(spec) ?? []
      builder = builder.addColumn(column, columns[type as 'int' | 'text' | 'blob'], (definition) => {
        let built = required ? definition.notNull() : definition
        if (rest.startsWith(' ')) built = built.references(rest.slice(1))
        if (rest.startsWith('=')) built = built.notNull().defaultTo(Number(rest.slice(1)))
        return built
      })
    }
  }
  if (table.primaryKey) builder = builder.addPrimaryKeyConstraint(`${name}_key`, table.primaryKey as never[])
  for (const unique of table.unique ?? [])
    builder = builder.addUniqueConstraint(`${name}_${unique.join('_')}`, unique as never[])
  await builder.execute()
  for (const index of table.indexes ?? []) {
    await db.schema
      .createIndex(`${name}_by_${index.join('_')}`)
      .on(name)
      .columns(index)
      .execute()
  }
}
