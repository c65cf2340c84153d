import { CompiledQuery } from 'kysely'
import { DatabaseUnavailable } from './errors.ts'
import { type Database, inside } from './handle.ts'
import { type Loading, migrationsNamed, tablesOfProgram } from './load.ts'
import { migrate } from './migrate.ts'
import { closeDatabase, openDatabase } from './open.ts'
import type { PortableColumn, PortableTable, Value } from './portableRows.ts'
import { quoted, readTables } from './portableTables.ts'
import { cursorRows } from './snapshot.ts'
import { joined, transaction } from './transaction.ts'

type Row = Record<string, unknown>

interface FillPostgres {
  url: string
  /** Names of the migrations that the data has. */
  migrations: readonly string[]
  /** The tables that are there are dropped first: all or nothing, as the rest. */
  replace: boolean
  fill(loading: Loading): Promise<void>
  /** Looks at what was filled, and may change it. What it throws leaves the database as it was. */
  prove(db: Database): Promise<void>
}

/** For one statement over a whole table. */
const PATIENCE = 3_600_000

/** Fills a PostgreSQL database in one transaction: until its end nobody sees any of it, and whatever ends it sooner undoes all. */
export async function fillPostgres({ url, migrations, replace, fill, prove }: FillPostgres): Promise<void> {
  const known = migrationsNamed(migrations)
  const db = openDatabase(url, { connections: 1, answerWithin: PATIENCE })
  let begun = false
  try {
    await transaction(db, async (db) => {
      if (begun) throw new DatabaseUnavailable('the connection was lost, and nothing was stored')
      begun = true
      const run = runner(db)
      // Between batches a large file is read; a target on a slow disk may take its time.
      await run('set local idle_in_transaction_session_timeout = 0')
      if (replace) await dropOurs(run)
      await migrate(joined(db), known)
      const triggered = (
        await run(`select distinct c.relname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where not t.tgisinternal and c.relnamespace = current_schema()::regnamespace`)
      ).map(({ name }) => quoted(String(name)))
      for (const table of triggered) await run(`alter table ${table} disable trigger user`)
      await fill(await postgresLoading(run))
      for (const table of triggered) await run(`alter table ${table} enable trigger user`)
      await setIdentities(run)
      await prove(joined(db))
      // One that came meanwhile has read what is replaced, and would go on by it: under another key, for one.
      if ((await serversOn(run)) > 0)
        throw new DatabaseUnavailable('a server has connected to it meanwhile: stop every one of them, and begin again')
    })
  } finally {
    await closeDatabase(db)
  }
}

type Run = (sql: string, parameters?: unknown[]) => Promise<Row[]>

function runner(db: Database): Run {
  return async (sql, parameters = []) => (await db[inside].run(CompiledQuery.raw(sql, parameters))).rows as Row[]
}

async function postgresLoading(run: Run): Promise<Loading> {
  return {
    tables: await readTables('postgres', run),
    async insert(table, rows) {
      if (rows.length === 0) return
      const into = table.columns.map(({ name }) => quoted(name)).join()
      const from = table.columns.map(({ type }, n) => `$${n + 1}::${arrays[type]}`).join()
      await run(
        `insert into ${quoted(table.name)} (${into}) overriding system value select * from unnest(${from})`,
        table.columns.map((column, n) => arrayOf(column, rows, n)),
      )
    },
    async *rows(table: PortableTable) {
      for await (const batch of cursorRows(table, async (sql) => ({ rows: await run(sql) })))
        yield (batch as unknown as Row[]).map((row) => table.columns.map(({ name }) => row[name] as Value))
    },
  }
}

const arrays = { integer: 'bigint[]', text: 'text[]', blob: 'bytea[]' } as const

/** One column of the rows, as PostgreSQL writes an array: a parameter for each value would be read far more slowly. */
function arrayOf({ type }: PortableColumn, rows: readonly Value[][], column: number): string {
  const texts = rows.map((row) => {
    const value = row[column] ?? null
    if (value === null) return 'NULL'
    if (type === 'integer') return String(value)
    if (type === 'blob') return `"\\\\x${(value as Buffer).toString('hex')}"`
    return `"${String(value).replace(/[\\"]/g, '\\$&')}"`
  })
  return `{${texts.join()}}`
}

/** The next row of each gets the number after the largest. */
async function setIdentities(run: Run): Promise<void> {
  const columns = await run(`select c.relname as table_name, a.attname as column_name
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attidentity <> ''
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'`)
  for (const { table_name, column_name } of columns) {
    const [table, column] = [quoted(String(table_name)), quoted(String(column_name))]
    await run(
      `select setval(pg_get_serial_sequence($1::text, $2::text), coalesce(max(${column}), 1), max(${column}) is not null) from ${table}`,
      [table, String(column_name)],
    )
  }
}

/** What our migrations made in this schema, and nothing of anybody else. */
async function dropOurs(run: Run): Promise<void> {
  const ours = await tablesOfProgram()
  const there = await run(
    `select relname as name from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r'`,
  )
  const tables = there.map(({ name }) => String(name)).filter((name) => ours.has(name))
  if (tables.length > 0) await run(`drop table ${tables.map(quoted).join()}`)
  const functions = await run(
    `select proname as name from pg_proc where pronamespace = current_schema()::regnamespace and proname ~ '^search_[a-z_]+_put$'`,
  )
  for (const { name } of functions) await run(`drop function ${quoted(String(name))}()`)
}

/** What a database holds that data is to go into. */
export interface Occupancy {
  /** Whether there are tables at all. */
  tables: number
  /** Whether they are ours. */
  ours: boolean
  /** Connections of servers of ours. */
  servers: number
}

/** @throws DatabaseUnavailable */
export async function postgresOccupancy(url: string): Promise<Occupancy> {
  const db = openDatabase(url, { connections: 1 })
  try {
    const run = runner(db)
    const [counted] = await run(`select
        (select count(*) from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r') as tables,
        to_regclass('migrations') is not null and to_regclass('audit_seals') is not null as ours`)
    return { tables: Number(counted?.tables), ours: counted?.ours === true, servers: await serversOn(run) }
  } finally {
    await closeDatabase(db)
  }
}

/** In a transaction too as of now, and not as it stood when that looked first. */
async function serversOn(run: Run): Promise<number> {
  await run('select pg_stat_clear_snapshot()')
  const [counted] = await run(`select count(*) as servers from pg_stat_activity
    where datname = current_database() and application_name = 'countersign' and pid <> pg_backend_pid()`)
  return Number(counted?.servers)
}
