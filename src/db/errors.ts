/**
 * The database did not take the work: locked by another process for too long, not reachable, or the commit failed.
 * After a failed commit on PostgreSQL the outcome is unknown; in all other cases nothing was stored. Asking again later makes sense.
 */
export class DatabaseUnavailable extends Error {
  /** What somebody who asked over the wire may be told. */
  readonly told: string

  constructor(detail: string, cause?: unknown, told = 'the server cannot store anything just now: ask again') {
    super(`the database is unavailable: ${detail}`, cause === undefined ? undefined : { cause })
    this.name = 'DatabaseUnavailable'
    this.told = told
  }
}

/** Nobody knows whether it was stored. */
export function outcomeUnknown(cause: unknown): DatabaseUnavailable {
  const told = 'the database did not say whether this was stored: ask again, or look what became of it'
  return new DatabaseUnavailable('the outcome of the commit is unknown', cause, told)
}

/** A query apart (apart.ts) did not end in the time that it had. */
export class TookTooLong extends Error {
  constructor(cause?: unknown) {
    super('the query took too long', cause === undefined ? undefined : { cause })
    this.name = 'TookTooLong'
  }
}

/** A database handle was used where it must not be: a bug of the caller, never a state of the database. */
export class HandleMisused extends Error {
  constructor(detail: string) {
    super(detail)
    this.name = 'HandleMisused'
  }
}

/** A statement's parameter that the two databases would not store alike: it is refused before it reaches either. */
export class UnstorableValue extends TypeError {
  constructor(detail: string) {
    super(detail)
    this.name = 'UnstorableValue'
  }
}

export const usedOutside =
  'the outer database handle was used inside a transaction: use the db that the callback is given'
export const usedNested = 'transaction() was called inside a transaction: use the db that the callback is given'
export const usedTwice = 'a transaction of one statement was given another: use transaction()'
export const usedLate = 'the handle of a transaction was used after the transaction had ended'
export const usedKysely = 'use transaction() of src/db/transaction.ts: it is the only way to write'

/** The SQLSTATE of PostgreSQL or the name of SQLite's extended result code. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** What an administrator does about it, by the beginning of SQLite's result code. */
const trouble: readonly (readonly [code: string, told: string])[] = [
  ['SQLITE_FULL', 'its disk is full: make room there'],
  ['SQLITE_BUSY', 'another process holds its lock: end that one'],
  ['SQLITE_LOCKED', 'another connection holds its lock'],
  ['SQLITE_READONLY', 'its file may not be written: see its owner, its mode, and how its disk is mounted'],
  ['SQLITE_CANTOPEN', 'its file cannot be opened: see whether it is there, its owner and its mode'],
  [
    'SQLITE_IOERR',
    'its disk does not do what it is asked to: see the room there, limits on sizes of files, and the log of the system',
  ],
  ['SQLITE_PROTOCOL', 'its lock could not be had'],
  ['SQLITE_CORRUPT', 'its file is damaged: restore a backup'],
  ['SQLITE_NOTADB', 'its file is damaged: restore a backup'],
]

/** What SQLite throws that is about its file, and not about the statement, as DatabaseUnavailable; anything else as it is. */
export function asUnavailable(error: unknown): unknown {
  const code = errorCode(error)
  const told = code === undefined ? undefined : trouble.find(([begin]) => code.startsWith(begin))
  return told ? new DatabaseUnavailable(told[1], error) : error
}

/** Did a statement fail because a row with that key exists already (primary key or unique index)? */
export function isUniqueViolation(error: unknown): boolean {
  const code = errorCode(error)
  return code === '23505' || code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY'
}
