import type Sqlite from 'better-sqlite3'
import type { CompiledQuery, QueryResult } from 'kysely'
import { checkParameters } from './executor.ts'
import type { TableVersions } from './tableVersions.ts'

/** Two generations of this many statements are kept. */
const GENERATION = 250

/**
 * Runs statements on one SQLite connection and keeps them prepared: preparing costs five times what running a small one does.
 * Kept in two generations, so that a hit is one look-up: a statement that was not asked for during a whole generation is dropped.
 * `versions` hears which tables are written to.
 */
export function preparedStatements(
  connection: Sqlite.Database,
  versions: TableVersions,
): (query: CompiledQuery) => QueryResult<unknown> {
  let young = new Map<string, Prepared>()
  let old = new Map<string, Prepared>()

  function prepared(sql: string): Prepared {
    const hit = young.get(sql)
    if (hit !== undefined) return hit
    const statement = old.get(sql) ?? prepare(connection, sql)
    if (young.size >= GENERATION) {
      old = young
      young = new Map()
    }
    young.set(sql, statement)
    return statement
  }

  return ({ sql, parameters }) => {
    checkParameters(parameters)
    const known = prepared(sql)
    if (!known.statement.readonly) {
      if (known.writes?.generation !== versions.generation)
        known.writes = { to: versions.touched(sql, parameters, 'OpenWrite'), generation: versions.generation }
      versions.wrote(known.writes.to)
    }
    if (known.columns)
      return { rows: rowsOf(known, known.statement.all(parameters) as unknown[][], versions.generation) }
    return { rows: [], numAffectedRows: BigInt(known.statement.run(parameters).changes) }
  }
}

interface Prepared {
  statement: Sqlite.Statement
  /** Names of what it answers; undefined of one that answers no rows. */
  columns: string[] | undefined
  /** Of the schema that `columns` were asked for under. */
  generation?: number
  /** The tables that it writes to, as of that generation of the schema. */
  writes?: { to: readonly string[] | undefined; generation: number }
}

/** Rows come as arrays: better-sqlite3 takes twice the time for a row whose members it names itself. */
function prepare(connection: Sqlite.Database, sql: string): Prepared {
  const statement = connection.prepare(sql)
  if (!statement.reader) return { statement, columns: undefined }
  statement.raw(true)
  return { statement, columns: namesOf(statement) }
}

function namesOf(statement: Sqlite.Statement): string[] {
  return statement.columns().map(({ name }) => name)
}

function rowsOf(known: Prepared, answers: unknown[][], generation: number): unknown[] {
  let { columns = [] } = known
  const [first] = answers
  // Another process may have changed the columns of a table of which all are asked for.
  if (first && (first.length !== columns.length || known.generation !== generation)) {
    columns = namesOf(known.statement)
    known.columns = columns
    known.generation = generation
  }
  return answers.map((values) => {
    const row: Record<string, unknown> = {}
    for (let at = 0; at < columns.length; at++) row[columns[at] as string] = values[at]
    return row
  })
}
