import { sql } from 'kysely'
import { expect, it } from 'vitest'
import type { Migration } from '../../../migrations/columns.ts'
import { migrations } from '../../../migrations/index.ts'
import { migrate } from '../../../src/db/migrate.ts'
import type { Database } from '../../../src/db/open.ts'
import { withTables } from '../../../src/db/tables.ts'
import { databases } from '../../helpers/databases.ts'

/** Where there were never two versions at once. */
const last = '0032-token-descent'

interface Column {
  type: string
  notnull: number
  dflt_value: string | null
}

/** What a program that knows only these tables relies on: columns, and what must be unique. */
type Schema = Map<string, { columns: Map<string, Column>; unique: Set<string> }>

async function schemaOf(db: Database): Promise<Schema> {
  const read = async <Row>(text: string) => (await sql<Row>`${sql.raw(text)}`.execute(withTables(db))).rows
  const tables = await read<{ name: string }>(
    `select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and sql not like '%virtual%'`,
  )
  const schema: Schema = new Map()
  for (const { name } of tables) {
    const columns = await read<Column & { name: string }>(`select * from pragma_table_info('${name}')`)
    const unique = await read<{ name: string }>(
      `select list.name || ' ' || (select group_concat(name) from pragma_index_info(list.name)) as name
       from pragma_index_list('${name}') as list where "unique" = 1 and origin <> 'pk'`,
    )
    schema.set(name, {
      columns: new Map(columns.map((column) => [column.name, column])),
      unique: new Set(unique.map((one) => one.name)),
    })
  }
  return schema
}

/** What an older program, which knows `before`, would trip over. */
function trips(before: Schema, after: Schema): string[] {
  const found: string[] = []
  for (const [table, old] of before) {
    const now = after.get(table)
    if (!now) {
      found.push(`${table} is gone`)
      continue
    }
    for (const [name, column] of old.columns) {
      const kept = now.columns.get(name)
      if (kept?.type !== column.type) found.push(`${table}.${name} is gone or another`)
      else if (kept.notnull > column.notnull) found.push(`${table}.${name} must be given now`)
    }
    for (const [name, { notnull, dflt_value }] of now.columns)
      if (!old.columns.has(name) && notnull === 1 && dflt_value === null)
        found.push(`${table}.${name} is not known to it and must be given`)
    for (const name of now.unique) if (!old.unique.has(name)) found.push(`${table}: ${name} must be unique now`)
  }
  return found
}

async function tripsOf(known: Record<string, Migration>, from: string): Promise<string[]> {
  const sqlite = databases.find(({ name }) => name === 'sqlite')
  if (!sqlite) throw new Error('no SQLite')
  const { db, close } = await sqlite.openEmpty()
  const names = Object.keys(known).sort()
  const upTo = (name: string) => Object.fromEntries(Object.entries(known).filter(([other]) => other <= name))
  await migrate(db, upTo(from))
  const found: string[] = []
  for (const name of names.filter((name) => name > from)) {
    const before = await schemaOf(db)
    await migrate(db, upTo(name))
    if (!known[name]?.contracts) found.push(...trips(before, await schemaOf(db)).map((trip) => `${name}: ${trip}`))
  }
  await close()
  return found
}

it('no migration takes anything from a node of an earlier version, unless it says so', async () => {
  expect(await tripsOf(migrations, last)).toEqual([])
})

it('would show one that does', async () => {
  const step: Migration = async (db, columns) => {
    await db.schema.alterTable('tokens').dropColumn('used_at').execute()
    await db.schema.alterTable('users').renameTo('people').execute()
    await sql`alter table sessions add column colour text not null default ''`.execute(db)
    await db.schema.createIndex('one_name').unique().on('tokens').columns(['name']).execute()
    await columns
      .table(db, 'new')
      .addColumn('id', columns.int, (column) => column.notNull())
      .execute()
  }
  const known = { ...migrations, '9999-careless': step }
  const from = Object.keys(migrations).sort().at(-1) ?? ''
  expect(await tripsOf(known, from)).toEqual([
    expect.stringContaining('users is gone'),
    expect.stringContaining('tokens.used_at is gone'),
    expect.stringContaining('one_name'),
  ])
})
