import { existsSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { DatabaseUnavailable } from './errors.ts'
import type { Dialect } from './handle.ts'
import type { PortableTable, Value } from './portableRows.ts'
import { readTables, selectAll } from './portableTables.ts'
import { serversOf } from './servers.ts'

/** A database as it stood at one moment, read beside whoever writes: nobody waits for the reader, and he for nobody. */
export interface Snapshot {
  dialect: Dialect
  tables: PortableTable[]
  /** Names of the migrations that it has. */
  migrations: string[]
  /** All rows of a table in the order of its key, in batches. */
  rows(table: PortableTable): AsyncIterable<Value[][]>
  /** Whether somebody has written since. Of PostgreSQL nobody knows. */
  outdated(): boolean
  close(): Promise<void>
}

const BATCH = 200

/** @throws DatabaseUnavailable when it cannot be reached; Error when there is no such file */
export function openSnapshot(url: string): Promise<Snapshot> {
  return /^postgres(ql)?:\/\//.test(url) ? postgresSnapshot(url) : sqliteSnapshot(url)
}

/** A transaction that reads keeps what it sees in the write-ahead log, which grows as long as it lasts. */
async function sqliteSnapshot(path: string): Promise<Snapshot> {
  if (!existsSync(path)) throw new Error(`there is no database ${path}`)
  const handle = new Sqlite(path, { timeout: 5_000, fileMustExist: true })
  const watch = new Sqlite(path, { timeout: 5_000, fileMustExist: true })
  const close = async () => {
    handle.close()
    watch.close()
  }
  try {
    for (const one of [handle, watch]) one.pragma('query_only = on')
    const version = () => watch.pragma('data_version', { simple: true })
    const before = version()
    handle.exec('begin')
    const all = (sql: string) => handle.prepare(sql).all() as Record<string, unknown>[]
    const migrations = all('select name from migrations order by name').map(({ name }) => String(name))
    const tables = await readTables('sqlite', async (sql) => all(sql))
    return {
      dialect: 'sqlite',
      tables,
      migrations,
      async *rows(table) {
        let batch: Value[][] = []
        for (const row of handle.prepare(selectAll(table)).raw().iterate()) {
          batch.push(row as Value[])
          if (batch.length < BATCH) continue
          yield batch
          batch = []
        }
        if (batch.length > 0) yield batch
      },
      outdated: () => version() !== before,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** To the first of the servers that is no copy of another: a copy may lie behind. */
async function connected(url: string): Promise<pg.Client> {
  let last: unknown = new Error('every server of it is a standby')
  for (const connectionString of serversOf(url)) {
    const client = new pg.Client({ connectionString, application_name: 'countersign backup', keepAlive: true })
    // Whoever uses it hears of a loss from the statement.
    client.on('error', () => {})
    try {
      await client.connect()
      const { rows } = await client.query('select pg_is_in_recovery() as standby')
      if (rows[0]?.standby === false) return client
    } catch (error) {
      last = error
    }
    await client.end().catch(() => {})
  }
  throw new DatabaseUnavailable('no connection', last)
}

async function postgresSnapshot(url: string): Promise<Snapshot> {
  const client = await connected(url)
  try {
    await client.query('begin isolation level repeatable read read only')
    const all = async (sql: string) => (await client.query(sql)).rows as Record<string, unknown>[]
    const migrations = (await all('select name from migrations order by name')).map(({ name }) => String(name))
    return {
      dialect: 'postgres',
      tables: await readTables('postgres', all),
      migrations,
      rows: (table) => cursorRows(table, (text) => client.query({ text, rowMode: 'array', types: integers })),
      outdated: () => false,
      close: () => client.end(),
    }
  } catch (error) {
    await client.end()
    throw error
  }
}

const INT8 = 20
const integers = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
}

/** As `rows` of a snapshot, by a cursor of the transaction that `run` runs in. */
export async function* cursorRows(
  table: PortableTable,
  run: (sql: string) => Promise<{ rows: unknown[] }>,
): AsyncIterable<Value[][]> {
  await run(`declare backup_rows no scroll cursor for ${selectAll(table)}`)
  for (;;) {
    const { rows } = await run(`fetch ${BATCH} from backup_rows`)
    if (rows.length > 0) yield rows as Value[][]
    if (rows.length < BATCH) break
  }
  await run('close backup_rows')
}
