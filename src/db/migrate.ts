import { sql } from 'kysely'
import { columnsOf, type Migration } from '../../migrations/columns.ts'
import { migrations } from '../../migrations/index.ts'
import { DatabaseUnavailable, errorCode } from './errors.ts'
import { type Database, inside } from './handle.ts'
import { withTables } from './tables.ts'

interface MigrationTables {
  /** `kind` is null where a program wrote it that knew no difference. */
  migrations: { name: string; applied_at: number; kind: 'expand' | 'contract' | null }
}

type Known = Record<string, Migration>

/** Any number that no other program on the same server uses for a lock. */
const LOCK = 0x636f756e
/** For as long a start waits for another process that migrates, for a table that others use, or for a server that starts. */
const PATIENCE_MS = 120_000
/** Everybody else queues behind a migration that waits for a table: then rather later. */
const TABLE_WAIT = '5s'

/**
 * Brings the schema up to date, each migration in a transaction of its own, in the order of names. Processes that start at once take turns. A migration that contracts
 * is applied where `contract` is set, on SQLite, where no other program runs, and to an empty database.
 *
 * @returns the names of the migrations that this call applied
 * @throws Error if the database has migrations that this program does not know and that may have taken something away
 */
export async function migrate(
  db: Database,
  known: Known = migrations,
  { contract = db.dialect === 'sqlite' }: { contract?: boolean } = {},
): Promise<string[]> {
  const applied: string[] = []
  const until = Date.now() + PATIENCE_MS
  let all: boolean | undefined = contract || undefined
  for (;;) {
    try {
      all ??= !(await hasBookkeeping(db))
      const whole = all
      const name = await db[inside].transaction((db) => applyNext(db, known, whole), { patient: true })
      if (name === undefined) return applied
      applied.push(name)
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || !mayPass(error) || Date.now() > until) throw error
    }
  }
}

/** Another process holds the lock; lock_not_available; cannot_connect_now: it starts, or recovers. */
function mayPass({ cause }: DatabaseUnavailable): boolean {
  const code = errorCode(cause) ?? ''
  return code.startsWith('SQLITE_BUSY') || ['55P03', '57P03'].includes(code)
}

/** The names of the migrations that the schema lacks. @throws Error as migrate */
export async function pendingMigrations(db: Database, known: Known = migrations): Promise<string[]> {
  const applied = await appliedMigrations(db)
  const unknown = applied.filter(({ name }) => !Object.hasOwn(known, name))
  const refused = unknown.filter(({ kind }) => kind !== 'expand').map(({ name }) => name)
  if (refused.length > 0) {
    throw new Error(
      `the database is newer than this program, which does not know its migrations: ${refused.sort().join(', ')}`,
    )
  }
  const names = new Set(applied.map(({ name }) => name))
  return Object.keys(known)
    .filter((name) => !names.has(name))
    .sort()
}

/** The names of the migrations of a newer program, which only added: this one serves on. */
export async function newerMigrations(db: Database, known: Known = migrations): Promise<string[]> {
  const applied = await appliedMigrations(db)
  return applied
    .map(({ name }) => name)
    .filter((name) => !Object.hasOwn(known, name))
    .sort()
}

async function applyNext(db: Database, known: Known, all: boolean): Promise<string | undefined> {
  const columns = columnsOf(db.dialect)
  const tables = withTables<MigrationTables>(db)
  // On SQLite the transaction itself is the lock.
  if (db.dialect === 'postgres') {
    await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(tables)
    await sql`set local lock_timeout = ${sql.lit(TABLE_WAIT)}`.execute(tables)
  }
  await prepareBookkeeping(db)
  const name = (await pendingMigrations(db, known)).find((name) => all || !known[name]?.contracts)
  const migration = name === undefined ? undefined : known[name]
  if (name === undefined || migration === undefined) return undefined
  await migration(db[inside].kysely, columns)
  const kind = migration.contracts ? 'contract' : 'expand'
  await tables.insertInto('migrations').values({ name, applied_at: Date.now(), kind }).execute()
  return name
}

async function prepareBookkeeping(db: Database): Promise<void> {
  const columns = columnsOf(db.dialect)
  const { kysely } = db[inside]
  await columns
    .table(kysely, 'migrations')
    .ifNotExists()
    .addColumn('name', columns.text, (column) => column.primaryKey())
    .addColumn('applied_at', columns.int, (column) => column.notNull())
    .execute()
  if (await hasKind(db)) return
  await kysely.schema.alterTable('migrations').addColumn('kind', columns.text).execute()
}

async function hasKind(db: Database): Promise<boolean> {
  const question =
    db.dialect === 'postgres'
      ? sql`select 1 from pg_attribute where attrelid = to_regclass('migrations') and attname = 'kind' and not attisdropped`
      : sql`select 1 from pragma_table_info('migrations') where name = 'kind'`
  return (await question.execute(db[inside].kysely)).rows.length > 0
}

async function appliedMigrations(db: Database): Promise<MigrationTables['migrations'][]> {
  return (await hasBookkeeping(db))
    ? withTables<MigrationTables>(db).selectFrom('migrations').selectAll().execute()
    : []
}

async function hasBookkeeping(db: Database): Promise<boolean> {
  const question =
    db.dialect === 'postgres'
      ? sql<{ found: number }>`select 1 as found where to_regclass('migrations') is not null`
      : sql<{ found: number }>`select 1 as found from sqlite_master where type = 'table' and name = 'migrations'`
  return (await question.execute(db[inside].kysely)).rows.length > 0
}
