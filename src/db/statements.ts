import type Sqlite from 'better-sqlite3'
import type { CompiledQuery, QueryResult } from 'kysely'
import { checkParameters } from './executor.ts'

/** Two generations of this many statements are kept. */
const GENERATION = 250

/**
 * Runs statements on one SQLite connection and keeps them prepared: preparing costs five times what running a small one does.
 * Kept in two generations, so that a hit is one look-up: a statement that was not asked for during a whole generation is dropped.
 */
export function preparedStatements(connection: Sqlite.Database): (query: CompiledQuery) => QueryResult<unknown> {
  let young = new Map<string, Sqlite.Statement>()
  let old = new Map<string, Sqlite.Statement>()

  function prepared(sql: string): Sqlite.Statement {
    const hit = young.get(sql)
    if (hit !== undefined) return hit
    const statement = old.get(sql) ?? connection.prepare(sql)
    if (young.size >= GENERATION) {
      old = young
      young = new Map()
    }
    young.set(sql, statement)
    return statement
  }

  return ({ sql, parameters }) => {
    checkParameters(parameters)
    const statement = prepared(sql)
    if (statement.reader) return { rows: statement.all(parameters) }
    return { rows: [], numAffectedRows: BigInt(statement.run(parameters).changes) }
  }
}
