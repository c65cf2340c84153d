import type { CompiledQuery, Kysely } from 'kysely'
import { type Database, type Dialect, inside } from './handle.ts'

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
  const made = new Map<string, CompiledQuery>()
  return async (db, ...values) => {
    const shape = shapeOf(db.dialect, values)
    let query = made.get(shape)
    if (!query) {
      query = build(db[inside].kysely as Kysely<Tables>, ...(slotsFor(values) as unknown as Values)).compile()
      made.set(shape, query)
    }
    const parameters = query.parameters.map((value) => (value instanceof Slot ? take(values, value) : value))
    const { sql, query: node, queryId } = query
    const { rows, numAffectedRows } = await db[inside].run({ sql, parameters, query: node, queryId })
    return { rows: rows as Row[], changed: Number(numAffectedRows ?? 0n) }
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
