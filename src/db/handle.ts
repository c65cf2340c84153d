import type { CompiledQuery, Kysely, QueryResult } from 'kysely'
import type { TableVersions } from './tableVersions.ts'

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
  /** Adds to a tally (tally.ts): in a transaction once it is committed, else at once. */
  readonly tally: Tally
  /** What was written to each table; absent in a transaction, and on PostgreSQL, where other nodes write too. */
  readonly versions?: Pick<TableVersions, 'of' | 'touched'>
  /** What its connections are at: those of PostgreSQL's pool, or the one by which SQLite writes. */
  readonly connections?: () => Connections
}

export type Tally = (one: Tallied) => void

/** One of something, or how long one of them took, with the upper ends of the buckets of such durations. */
export interface Tallied {
  what: string
  seconds?: number
  ends?: readonly number[]
}

/** How many lie in each bucket, and their sum in seconds. */
export interface Durations {
  counts: number[]
  sum: number
}

/** How many connections rest, are at work, and how many statements or transactions wait for one. */
export interface Connections {
  idle: number
  busy: number
  waiting: number
}

/** `repeated`: one of those that are built once (statement.ts). */
export type Statement = CompiledQuery & { readonly repeated?: true }

export type Run = (query: Statement) => QueryResult<unknown> | Promise<QueryResult<unknown>>

export interface TransactOptions {
  /** Its statements may take as long as they do (migrations). */
  patient?: boolean
  /** It has one statement. */
  single?: boolean
}

type Transact = <R>(work: (db: Database) => Promise<R>, options?: TransactOptions) => Promise<R>

/** How much was asked of the database since it was opened. A group commit counts as one commit. */
export interface Counts {
  statements: number
  commits: number
  /** Transactions that the database did not take: its disk, its lock, its file. */
  refused: number
  /** Seconds in which statements ran; on SQLite an estimate. */
  seconds: number
  /** What tally() has counted. */
  readonly tallies: Map<string, number>
  /** What tallySeconds() has. */
  readonly durations: Map<string, Durations>
}

/** One run of a callback of transaction(): what tells a live handle from one that outlived its transaction. */
export interface Session {
  open: boolean
  /** The first statement that failed. PostgreSQL refuses all later ones, so SQLite does too, and the transaction cannot commit. */
  failure: Error | undefined
  /** What is to be counted when it is committed. */
  tallied?: Tallied[]
}
