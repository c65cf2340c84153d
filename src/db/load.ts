import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { Migration } from '../../migrations/columns.ts'
import { migrations } from '../../migrations/index.ts'
import { migrate } from './migrate.ts'
import { closeDatabase, openDatabase } from './open.ts'
import type { PortableTable, Value } from './portableRows.ts'
import { quoted, readTables, selectAll } from './portableTables.ts'

/** A database without rows that is being filled. Nobody else sees it until it is put in place, or committed. */
export interface Loading {
  tables: PortableTable[]
  /** Tables come after those that they refer to. */
  insert(table: PortableTable, rows: readonly Value[][]): Promise<void>
  /** What stands in a table now, by the order of its key. */
  rows(table: PortableTable): AsyncIterable<Value[][]>
}

/** The migrations of those names. Throws where this program does not know one: the data is of a newer version. */
export function migrationsNamed(names: readonly string[]): Record<string, Migration> {
  const unknown = names.filter((name) => !Object.hasOwn(migrations, name))
  if (unknown.length > 0)
    throw new Error(`it is of a newer version, with migrations that this program does not know: ${unknown.join(', ')}`)
  return Object.fromEntries(names.map((name) => [name, migrations[name] as Migration]))
}

/** Makes an SQLite file that has these migrations, and fills it. Durable only once somebody has it written to the disk. */
export async function fillSqlite(
  path: string,
  names: readonly string[],
  fill: (loading: Loading) => Promise<void>,
): Promise<void> {
  const db = openDatabase(path)
  try {
    await migrate(db, migrationsNamed(names))
  } finally {
    await closeDatabase(db)
  }
  const handle = new Sqlite(path, { fileMustExist: true })
  try {
    // A crash leaves a file that nobody puts in place.
    for (const setting of ['journal_mode = off', 'synchronous = off', 'foreign_keys = off', 'cache_size = -64000'])
      handle.pragma(setting)
    const triggers = withoutTriggers(handle)
    handle.exec('begin')
    await fill(await sqliteLoading(handle))
    fillTextIndexes(handle)
    const [broken] = handle.pragma('foreign_key_check') as { table: string; parent: string }[]
    if (broken) throw new Error(`a row of ${broken.table} refers to one of ${broken.parent} that is not there`)
    for (const sql of triggers) handle.exec(sql)
    handle.exec('commit')
  } finally {
    handle.close()
  }
}

/** Every table that this program's migrations make, on either database. */
export async function tablesOfProgram(): Promise<Set<string>> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-tables-'))
  try {
    let names: string[] = []
    await fillSqlite(join(folder, 'empty.sqlite'), Object.keys(migrations), async ({ tables }) => {
      names = tables.map(({ name }) => name)
    })
    return new Set([...names, 'migrations', 'acme_nonces'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function sqliteLoading(handle: Sqlite.Database): Promise<Loading> {
  return {
    tables: await readTables('sqlite', async (sql) => handle.prepare(sql).all() as Record<string, unknown>[]),
    async insert({ name, columns }, rows) {
      const into = columns.map((column) => quoted(column.name)).join()
      const statement = handle.prepare(
        `insert into ${quoted(name)} (${into}) values (${columns.map(() => '?').join()})`,
      )
      for (const row of rows) statement.run(row)
    },
    async *rows(table) {
      let batch: Value[][] = []
      for (const row of handle.prepare(selectAll(table)).raw().iterate()) {
        batch.push(row as Value[])
        if (batch.length < 200) continue
        yield batch
        batch = []
      }
      yield batch
    },
  }
}

/** What is loaded has been followed already. Gives what makes them again. */
function withoutTriggers(handle: Sqlite.Database): string[] {
  const triggers = handle.prepare(`select name, sql from sqlite_master where type = 'trigger'`).all() as {
    name: string
    sql: string
  }[]
  for (const { name } of triggers) handle.exec(`drop trigger ${quoted(name)}`)
  return triggers.map(({ sql }) => sql)
}

/** Each stands beside a table with the texts (migrations/0020-search.ts). */
function fillTextIndexes(handle: Sqlite.Database): void {
  const indexes = handle
    .prepare(
      `select name from pragma_table_list where schema = 'main' and type = 'virtual' and name like '%\\_text' escape '\\'`,
    )
    .all() as { name: string }[]
  for (const { name } of indexes) {
    const of = name.slice(0, -'_text'.length)
    handle.exec(
      `insert into ${quoted(name)} (rowid, text) select id, subject || common_name || names from ${quoted(of)}`,
    )
  }
}
