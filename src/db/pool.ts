import type { CompiledQuery, QueryResult } from 'kysely'
import pg from 'pg'
import { checkParameters } from './executor.ts'
import type { Counts } from './handle.ts'

export type RunOn = (client: pg.PoolClient, query: CompiledQuery) => Promise<QueryResult<unknown>>

/** So many statements a connection keeps prepared; a server that is asked for more kinds (filters of lists) runs the rest unnamed. */
const NAMES = 500
const named = new Set(['SelectQueryNode', 'InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode'])
const changing = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

const INT8 = 20
const NUMERIC = 1700

export function openPool(url: string, connections: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    application_name: 'countersign',
    // BEGIN travels with the first statement of its transaction: one round trip less.
    pipeline: true,
    types: { getTypeParser },
  })
  // Without a listener the loss of a connection ends the process; whoever uses it hears of the loss from the statement.
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    client.on('error', () => {})
    // Only a transaction may write: it begins with `read write`. A node that vanishes inside one does not hold its locks for ever.
    client
      .query('set default_transaction_read_only = on; set idle_in_transaction_session_timeout = 60000')
      .catch(() => {})
  })
  return pool
}

/** count(*) is int8 and the sum of int8 is numeric: numbers here, as SQLite gives them. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  return oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format as 'text')
}

/** Runs statements under names, so that the server parses each only once a connection. */
export function statementRunner(counts: Counts): RunOn {
  const names = new Map<string, string>()

  function nameOf({ sql, query }: CompiledQuery): string | undefined {
    const known = names.get(sql)
    if (known !== undefined || names.size >= NAMES || !named.has(query.kind)) return known
    const name = `s${names.size}`
    names.set(sql, name)
    return name
  }

  return async (client, query) => {
    checkParameters(query.parameters)
    counts.statements++
    const name = nameOf(query)
    const text = query.sql
    const values = query.parameters as unknown[]
    const { command, rowCount, rows } = await client.query(
      name === undefined ? { text, values } : { name, text, values },
    )
    return changing.has(command) ? { rows, numAffectedRows: BigInt(rowCount ?? 0) } : { rows }
  }
}
