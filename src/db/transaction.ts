import { type Database, inside } from './handle.ts'

export { DatabaseUnavailable, isUniqueViolation } from './errors.ts'

/**
 * Runs `work` in one write transaction and resolves with its value after the commit: the only way to write.
 *
 * `work` awaits only statements of the `db` that it is given, and has no effect outside: on PostgreSQL it may run again after a deadlock or
 * a lost connection, and on SQLite every other transaction waits for it. On SQLite one that awaits anything else is stopped and rejected.
 * If `work` throws, its changes are undone and the promise rejects with what it threw. If one of its statements fails, the transaction is lost
 * even when `work` catches the error: use `on conflict do nothing` instead of catching a unique violation.
 *
 * @throws HandleMisused when called inside a transaction; DatabaseUnavailable when the database is locked, gone or failed to commit.
 */
export function transaction<R>(db: Database, work: (db: Database) => Promise<R>): Promise<R> {
  return db[inside].transaction(work)
}

/**
 * As transaction(), for a `work` of one statement that notices when it was carried out before: PostgreSQL gets BEGIN and COMMIT with it and answers once in
 * place of twice. There it runs again after a lost connection even though it may have been stored, and what `work` throws after its statement undoes nothing.
 *
 * @throws HandleMisused at a second statement on PostgreSQL; DatabaseUnavailable as transaction().
 */
export function single<R>(db: Database, work: (db: Database) => Promise<R>): Promise<R> {
  return db[inside].transaction(work, { single: true })
}

/**
 * A transaction as a handle on which transaction() is no transaction of its own but a part of that one: for doing at once what each stores
 * by itself. What throws inside has undone nothing yet, so whoever catches it must let the whole transaction fail.
 */
export function joined(db: Database): Database {
  const { kysely, run, close, counts, tally } = db[inside]
  const handle: Database = {
    dialect: db.dialect,
    [inside]: { kysely, run, close, counts, tally, transaction: (work) => work(handle) },
  }
  return handle
}
