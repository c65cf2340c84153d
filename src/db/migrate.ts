import { sql } from 'kysely'
import { columnsOf, type Migration } from '../../migrations/columns.ts'
import { migrations } from '../../migrations/index.ts'
import { DatabaseUnavailable } from './errors.ts'
import { type Database, inside } from './handle.ts'
import { withTables } from './tables.ts'
import { transaction } from './transaction.ts'

interface MigrationTables {
  migrations: { name: string; applied_at: number }
}

/** Any number that no other program on the same server uses for a lock. */
const LOCK = 0x636f756e
/** For as long a start waits for another process that migrates. */
const PATIENCE_MS = 120_000

/**
 * Brings the schema up to date, each migration in a transaction of its own, in the order of names. Processes that start at once take turns.
 *
 * @returns the names of the migrations that this call applied
 * @throws Error if the database knows migrations that this program does not
 */
export async function migrate(db: Database, known: Record<string, Migration> = migrations): Promise<string[]> {
  const applied: string[] = []
  const until = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      const name = await transaction(db, (db) => applyNext(db, known))
      if (name === undefined) return applied
      applied.push(name)
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || db.dialect === 'postgres' || Date.now() > until) throw error
    }
  }
}

/** The names of the migrations that the schema lacks. @throws Error if the database is newer than this program */
export async function pendingMigrations(
  db: Database,
  known: Record<string, Migration> = migrations,
): Promise<string[]> {
  const applied = (await hasBookkeeping(db)) ? await appliedNames(db) : new Set<string>()
  const unknown = [...applied].filter((name) => !Object.hasOwn(known, name))
  if (unknown.length > 0) {
    throw new Error(
      `the database is newer than this program, which does not know its migrations: ${unknown.sort().join(', ')}`,
    )
  }
  return Object.keys(known)
    .filter((name) => !applied.has(name))
    .sort()
}

async function applyNext(db: Database, known: Record<string, Migration>): Promise<string | undefined> {
  const columns = columnsOf(db.dialect)
  const tables = withTables<MigrationTables>(db)
  // On SQLite the transaction itself is the lock.
  if (db.dialect === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(tables)
  await columns
    .table(db[inside].kysely, 'migrations')
    .ifNotExists()
    .addColumn('name', columns.text, (column) => column.primaryKey())
    .addColumn('applied_at', columns.int, (column) => column.notNull())
    .execute()
  const [name] = await pendingMigrations(db, known)
  const migration = name === undefined ? undefined : known[name]
  if (name === undefined || migration === undefined) return undefined
  await migration(db[inside].kysely, columns)
  await tables.insertInto('migrations').values({ name, applied_at: Date.now() }).execute()
  return name
}

async function appliedNames(db: Database): Promise<Set<string>> {
  const rows = await withTables<MigrationTables>(db).selectFrom('migrations').select('name').execute()
  return new Set(rows.map(({ name }) => name))
}

async function hasBookkeeping(db: Database): Promise<boolean> {
  const question =
    db.dialect === 'postgres'
      ? sql<{ found: number }>`select 1 as found where to_regclass('migrations') is not null`
      : sql<{ found: number }>`select 1 as found from sqlite_master where type = 'table' and name = 'migrations'`
  return (await question.execute(db[inside].kysely)).rows.length > 0
}
