import type { CompiledQuery, QueryResult } from 'kysely'
import pg from 'pg'
import { checkParameters } from './executor.ts'
import type { Counts } from './handle.ts'
import { serversOf } from './servers.ts'

export type RunOn = (client: pg.PoolClient, query: CompiledQuery, patient?: boolean) => Promise<QueryResult<unknown>>

/** The connections to a PostgreSQL. */
export interface Pool {
  /** One on which only transactions may write. Rejects where no server takes writes, and where none is free in time. */
  connect(): Promise<pg.PoolClient>
  /** No connection is given out any more that was made before: what happened to this one is true of them all. */
  renew(client: pg.PoolClient): void
  end(): Promise<void>
  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
}

/** So many statements a connection keeps prepared; a server that is asked for more kinds (filters of lists) runs the rest unnamed. */
const NAMES = 500
const named = new Set(['SelectQueryNode', 'InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode'])
const changing = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

const INT8 = 20
const NUMERIC = 1700

const CONNECT_MS = 5_000
/** Longer than the server's own limit: whoever is not heard of then is not there. */
const SILENCE_MS = 5_000

interface PoolOptions {
  connections: number
  /** Milliseconds for which the server works on one statement at most. */
  answerWithin: number
}

export function openPool(url: string, { connections, answerWithin }: PoolOptions): Pool {
  const servers = serversOf(url)
  let current = 0
  let generation = 0
  const born = new WeakMap<object, number>()

  class Client extends pg.Client {
    constructor(config: pg.ClientConfig) {
      super({ ...config, connectionString: servers[current] })
      born.set(this, generation)
    }
  }
  const pool = new pg.Pool({
    Client: Client as unknown as new () => pg.Client,
    max: connections,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: 'countersign',
    // BEGIN travels with the first statement of its transaction: one round trip less.
    pipeline: true,
    types: { getTypeParser },
    onConnect: (client) => prepareSession(client, answerWithin),
  })
  // Without a listener the loss of a connection ends the process; whoever uses it hears of the loss from the statement.
  pool.on('error', () => {})
  return {
    async connect() {
      for (;;) {
        const tried = current
        const client = await pool.connect().catch((error: unknown) => {
          if (tried === current && !isFull(error)) current = (tried + 1) % servers.length
          throw error
        })
        if (born.get(client) === generation) return client
        client.release(true)
      }
    },
    renew(client) {
      if (born.get(client) === generation) generation++
    },
    end: () => pool.end(),
    get totalCount() {
      return pool.totalCount
    },
    get idleCount() {
      return pool.idleCount
    },
    get waitingCount() {
      return pool.waitingCount
    },
  }
}

/** Whether all connections were at work for too long: the server is not to blame. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('timeout exceeded')
}

/** Only a transaction may write: it begins with `read write`. A node that vanishes inside one does not hold its locks for ever. */
async function prepareSession(client: pg.ClientBase, answerWithin: number): Promise<void> {
  client.on('error', () => {})
  const look = `select pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') as frozen`
  const settings = `set default_transaction_read_only = on; set idle_in_transaction_session_timeout = 60000;
    set statement_timeout = ${Math.ceil(answerWithin)}`
  const asked = client.query<{ standby: boolean; frozen: string }>(limited({ text: look }, CONNECT_MS))
  const [{ rows }] = await Promise.all([asked, client.query(limited({ text: settings }, CONNECT_MS))])
  if (rows[0]?.standby) throw new Error('the server is a standby: it takes no writes')
  if (rows[0]?.frozen === 'on') throw new Error('the database is set to default_transaction_read_only')
}

/** A statement with a time after which the connection is given up, whatever became of the server or the network. */
export function limited(config: pg.QueryConfig, within: number): pg.QueryConfig {
  const query: pg.QueryConfig & { query_timeout: number } = { ...config, query_timeout: within + SILENCE_MS }
  return query
}

/** count(*) is int8 and the sum of int8 is numeric: numbers here, as SQLite gives them. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  return oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format as 'text')
}

/** Runs statements under names, so that the server parses each only once a connection. A patient one has no end. */
export function statementRunner(counts: Counts, answerWithin: number): RunOn {
  const names = new Map<string, string>()

  function nameOf({ sql, query }: CompiledQuery): string | undefined {
    const known = names.get(sql)
    if (known !== undefined || names.size >= NAMES || !named.has(query.kind)) return known
    const name = `s${names.size}`
    names.set(sql, name)
    return name
  }

  return async (client, query, patient = false) => {
    checkParameters(query.parameters)
    counts.statements++
    const name = nameOf(query)
    const text = query.sql
    const values = query.parameters as unknown[]
    const asked = name === undefined ? { text, values } : { name, text, values }
    const began = performance.now()
    try {
      const { command, rowCount, rows } = await client.query(patient ? asked : limited(asked, answerWithin))
      return changing.has(command) ? { rows, numAffectedRows: BigInt(rowCount ?? 0) } : { rows }
    } finally {
      counts.seconds += (performance.now() - began) / 1_000
    }
  }
}
