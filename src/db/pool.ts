import type { QueryResult } from 'kysely'
import pg from 'pg'
import { checkParameters } from './executor.ts'
import type { Counts, Statement } from './handle.ts'
import { BEGIN, COMMIT, runPrepared, runUnnamed } from './prepared.ts'
import { serversOf } from './servers.ts'

interface How {
  /** BEGIN goes with it, which takes a statement with a name. */
  first?: boolean
  /** And COMMIT. */
  last?: boolean
  /** It may take as long as it does. */
  patient?: boolean
}

export interface Runner {
  /** What connections keep the statement under; undefined of one that is parsed anew each time. */
  nameOf(query: Statement): string | undefined
  run(client: pg.PoolClient, query: Statement, how?: How): Promise<QueryResult<unknown>>
}

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
  const made = client.query(limited({ text: settings }, CONNECT_MS))
  const kept = Promise.all([BEGIN, COMMIT].map((statement) => runPrepared(client, plain(statement, CONNECT_MS))))
  // A standby refuses to begin: what it is, it says itself, and that is heard first.
  kept.catch(() => {})
  const [{ rows }] = await Promise.all([asked, made])
  if (rows[0]?.standby) throw new Error('the server is a standby: it takes no writes')
  if (rows[0]?.frozen === 'on') throw new Error('the database is set to default_transaction_read_only')
  await kept
}

/** Ends the transaction; answers what became of it. */
export async function endTransaction(client: pg.PoolClient, within: number | undefined): Promise<string> {
  return (await runPrepared(client, plain(COMMIT, within))).command
}

function plain(statement: typeof COMMIT, within: number | undefined) {
  return { ...statement, values: [], within: within && within + SILENCE_MS, parserOf: getTypeParser }
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

/** Runs statements under names, so that the server parses each only once a connection. */
export function statementRunner(counts: Counts, answerWithin: number): Runner {
  const names = new Map<string, string>()

  function nameOf({ sql, query, repeated }: Statement): string | undefined {
    const known = names.get(sql)
    if (known !== undefined || names.size >= NAMES || !(repeated || named.has(query.kind))) return known
    const name = `s${names.size}`
    names.set(sql, name)
    return name
  }

  async function run(
    client: pg.PoolClient,
    query: Statement,
    { first, last, patient }: How = {},
  ): Promise<QueryResult<unknown>> {
    checkParameters(query.parameters)
    counts.statements++
    const name = nameOf(query)
    const { sql: text, parameters: values } = query
    const within = patient ? undefined : answerWithin + SILENCE_MS
    const began = performance.now()
    try {
      const { command, count, rows } =
        name === undefined
          ? await runUnnamed(client, { text, values, within })
          : await runPrepared(client, { name, text, values, first, last, within, parserOf: getTypeParser })
      return changing.has(command) ? { rows, numAffectedRows: BigInt(count) } : { rows }
    } finally {
      counts.seconds += (performance.now() - began) / 1_000
    }
  }
  return { nameOf, run }
}
