import { type Kysely, type RawBuilder, type SelectQueryBuilder, sql } from 'kysely'
import { type Database, inside } from './handle.ts'

export { type Answered, keptStatement, statement } from './statement.ts'

/** Names the tables that the caller owns: the core its own, an adapter its own. Only a type; nothing is made. */
export function withTables<T>(db: Database): Kysely<T> {
  return db[inside].kysely as Kysely<T>
}

/** Locks the selected rows until the transaction ends. On SQLite a transaction has the whole database to itself already. */
export function forUpdate<D, T extends keyof D, O>(
  db: Database,
  query: SelectQueryBuilder<D, T, O>,
): SelectQueryBuilder<D, T, O> {
  return db.dialect === 'postgres' ? query.forUpdate() : query
}

/** An aggregate: all values of a blob column, one behind the other, in any order; null where there are none. */
export function concatenated(db: Database, column: string): RawBuilder<Buffer | null> {
  const ref = sql.ref(column)
  // SQLite's function takes the octets of a blob for those of a text, and the cast takes them back.
  return db.dialect === 'postgres' ? sql`string_agg(${ref}, ''::bytea)` : sql`cast(group_concat(${ref}, '') as blob)`
}

/** As forUpdate, but passes over the rows that another transaction has locked: for claiming jobs. */
export function skipLocked<D, T extends keyof D, O>(
  db: Database,
  query: SelectQueryBuilder<D, T, O>,
): SelectQueryBuilder<D, T, O> {
  return db.dialect === 'postgres' ? query.forUpdate().skipLocked() : query
}
