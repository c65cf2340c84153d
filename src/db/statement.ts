import type { CompiledQuery, Kysely } from 'kysely'
import { type Database, type Dialect, inside, type Statement } from './handle.ts'

/** What a statement answered. */
export interface Answered<Row> {
  rows: Row[]
  /** How many rows an insert, update or delete without `returning` changed. */
  changed: number
}

interface Compilable<Row> {
  compile(): CompiledQuery<Row>
}

type Scalar = string | number | bigint | Uint8Array | null
/** A value, or the values of a row by their columns. */
export type Bound = Scalar | { readonly [column: string]: Scalar | undefined }

/** Stands for a value while a statement is built: the argument's index and, in a row, the column. */
class Slot {
  readonly index: number
  readonly column: string | undefined

  constructor(index: number, column?: string) {
    this.index = index
    this.column = column
  }
}

/**
 * A statement of the busy paths, built by Kysely once for each dialect (and each set of columns that its rows have) instead of at every use:
 * building costs more than SQLite takes to run it. `build` must put every argument into the statement as a value and nothing else: it is shown
 * stand-ins. An argument may be a row, for `values()` or `set()`; no column of it is undefined.
 */
export function statement<Tables, Values extends readonly Bound[], Row>(
  build: (tables: Kysely<Tables>, ...values: Values) => Compilable<Row>,
): (db: Database, ...values: Values) => Promise<Answered<Row>> {
  const bound = binding(build)
  return async (db, ...values) => run<Row>(db, bound(db, values))
}

/** How many answers of one statement are kept. */
const MOST_KEPT = 5_000

interface Kept<Row> {
  version: number
  answered: Answered<Row>
}

/**
 * As statement(), for what is asked all the time about tables that seldom change: on SQLite an answer with rows is kept until one of them is written to, by this
 * process or another. The rows are shared: nobody changes them. On PostgreSQL, and in a transaction, it is always asked.
 */
export function keptStatement<Tables, Values extends readonly (string | number)[], Row>(
  build: (tables: Kysely<Tables>, ...values: Values) => Compilable<Row>,
): (db: Database, ...values: Values) => Promise<Answered<Row>> {
  const bound = binding(build)
  const kept = new WeakMap<Database, Map<string, Kept<Row>>>()
  let tables: readonly string[] | undefined
  return async (db, ...values) => {
    const { versions } = db[inside]
    const version = versions && tables && versions.of(tables)
    if (!versions || (tables && version === undefined)) return run<Row>(db, bound(db, values))
    const key = values.join('\0')
    let answers = kept.get(db)
    if (!answers) {
      answers = new Map()
      kept.set(db, answers)
    }
    const known = answers.get(key)
    if (known && known.version === version) return known.answered
    const query = bound(db, values)
    const answered = await run<Row>(db, query)
    if (answers.size >= MOST_KEPT) answers.clear()
    // That there is no such row is not kept: anybody can ask for names that nobody has.
    if (version !== undefined && answered.rows.length > 0) answers.set(key, { version, answered })
    tables ??= versions.touched(query.sql, query.parameters, 'OpenRead')
    return answered
  }
}

async function run<Row>(db: Database, query: CompiledQuery): Promise<Answered<Row>> {
  const { rows, numAffectedRows } = await db[inside].run(query)
  return { rows: rows as Row[], changed: Number(numAffectedRows ?? 0n) }
}

/** The statement with its values, built where it was not yet. */
function binding<Tables, Values extends readonly Bound[]>(
  build: (tables: Kysely<Tables>, ...values: Values) => Compilable<unknown>,
): (db: Database, values: Values) => Statement {
  const made = new Map<string, CompiledQuery>()
  return (db, values) => {
    const shape = shapeOf(db.dialect, values)
    let query = made.get(shape)
    if (!query) {
      query = build(db[inside].kysely as Kysely<Tables>, ...(slotsFor(values) as unknown as Values)).compile()
      made.set(shape, query)
    }
    const parameters = query.parameters.map((value) => (value instanceof Slot ? take(values, value) : value))
    const { sql, query: node, queryId } = query
    return { sql, parameters, query: node, queryId, repeated: true }
  }
}

/** Tells apart what needs a statement of its own. */
function shapeOf(dialect: Dialect, values: readonly Bound[]): string {
  let shape: string = dialect
  for (const value of values) if (isRow(value)) shape += `|${Object.keys(value).join()}`
  return shape
}

function slotsFor(values: readonly Bound[]): unknown[] {
  return values.map((value, index) => {
    if (!isRow(value)) return new Slot(index)
    return Object.fromEntries(Object.keys(value).map((column) => [column, new Slot(index, column)]))
  })
}

function isRow(value: Bound): value is Exclude<Bound, Scalar> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}

function take(values: readonly Bound[], { index, column }: Slot): unknown {
  const value = values[index]
  return column === undefined ? value : (value as Record<string, Scalar | undefined>)[column]
}
