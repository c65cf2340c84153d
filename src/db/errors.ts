/**
 * The database did not take the work: locked by another process for too long, not reachable, or the commit failed.
 * After a failed commit on PostgreSQL the outcome is unknown; in all other cases nothing was stored. Asking again later makes sense.
 */
export class DatabaseUnavailable extends Error {
  constructor(detail: string, cause?: unknown) {
    super(`the database is unavailable: ${detail}`, cause === undefined ? undefined : { cause })
    this.name = 'DatabaseUnavailable'
  }
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
export const usedLate = 'the handle of a transaction was used after the transaction had ended'
export const usedKysely = 'use transaction() of src/db/transaction.ts: it is the only way to write'

/** The SQLSTATE of PostgreSQL or the name of SQLite's extended result code. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Did a statement fail because a row with that key exists already (primary key or unique index)? */
export function isUniqueViolation(error: unknown): boolean {
  const code = errorCode(error)
  return code === '23505' || code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY'
}
