import type { CompiledQuery, Kysely, QueryResult } from 'kysely'

export type Dialect = 'sqlite' | 'postgres'

/** Where a handle keeps what only src/db may touch. */
export const inside: unique symbol = Symbol('inside of a database handle')

/**
 * A database, or one transaction of it: the type is the same, so that a function that takes `db` first works in both.
 * The outer handle only reads; the handle that transaction() passes to its callback reads and writes. It names no tables: see withTables.
 */
export interface Database {
  readonly dialect: Dialect
  readonly [inside]: Inside
}

interface Inside {
  readonly kysely: Kysely<unknown>
  /** Runs one compiled statement, as `kysely` does. SQLite answers at once. */
  readonly run: Run
  /** As `run`, within so many milliseconds, beside everything else; absent in a transaction. */
  readonly apart?: (query: CompiledQuery, within: number) => Promise<QueryResult<unknown>>
  /** The only way to write; rejects when this handle is itself a transaction. */
  readonly transaction: Transact
  readonly close: () => Promise<void>
  readonly counts: Counts
}

export type Run = (query: CompiledQuery) => QueryResult<unknown> | Promise<QueryResult<unknown>>

type Transact = <R>(work: (db: Database) => Promise<R>) => Promise<R>

/** How much was asked of the database since it was opened. A group commit counts as one commit. */
export interface Counts {
  statements: number
  commits: number
}

/** One run of a callback of transaction(): what tells a live handle from one that outlived its transaction. */
export interface Session {
  open: boolean
  /** The first statement that failed. PostgreSQL refuses all later ones, so SQLite does too, and the transaction cannot commit. */
  failure: Error | undefined
}
