import { type Counts, type Database, inside } from './handle.ts'
import { untilFree } from './hold.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'

export type { Database, Dialect } from './handle.ts'

export interface OpenOptions {
  /** SQLite: milliseconds for which transactions wait while another process holds the write lock. */
  lockWait?: number
  /** SQLite: for this process alone, see hold.ts. Nobody else who says so opens it until it is closed. */
  alone?: boolean
  /** PostgreSQL: how many connections at most. */
  connections?: number
  /** PostgreSQL: milliseconds that one statement may take; 30 seconds where nothing is said. */
  answerWithin?: number
  /** PostgreSQL: whether what goes past the transaction that it is called in is refused, as on SQLite it always is. For tests. */
  guarded?: boolean
}

/**
 * Opens the database at `url`: `postgres://…` (of several hosts the one that takes writes) or the path of an SQLite file, which is created (mode 0600) if missing.
 * PostgreSQL is connected on first use, so that a start does not depend on who comes up first.
 */
export function openDatabase(url: string, options: OpenOptions = {}): Database {
  if (/^postgres(ql)?:\/\//.test(url)) return openPostgres(url, options)
  if (url === '' || /^([a-z][a-z0-9+.-]+)?:/i.test(url)) {
    throw new Error('the database must be postgres://… or the path of an SQLite file')
  }
  return openSqlite(url, { lockWait: 5_000, ...options })
}

/** Milliseconds for which whoever works on a database for a moment is waited for. */
const MOMENT = 1_000

/**
 * Opens what one process writes to at a time. Of PostgreSQL that is nobody's business.
 *
 * @param waits called when another process holds it, which is waited for, for `patience` milliseconds
 * @throws DatabaseHeld
 */
export function openAlone(url: string, patience = MOMENT, waits = (): void => {}): Promise<Database> {
  return untilFree(() => openDatabase(url, { alone: true }), patience, waits)
}

/** Lets the transactions that are waiting run to their end, then closes. Later ones are refused. */
export function closeDatabase(db: Database): Promise<void> {
  return db[inside].close()
}

/** Statements and commits since the database was opened. */
export function statementCount(db: Database): Readonly<Counts> {
  return db[inside].counts
}
