import { AsyncLocalStorage } from 'node:async_hooks'
import { type CompiledQuery, type Kysely, PostgresDialect, type QueryResult } from 'kysely'
import type pg from 'pg'
import {
  DatabaseUnavailable,
  errorCode,
  HandleMisused,
  TookTooLong,
  usedLate,
  usedNested,
  usedOutside,
} from './errors.ts'
import { checkParameters, kyselyOver } from './executor.ts'
import { closable } from './gate.ts'
import { type Counts, type Database, inside, type Run, type Session } from './handle.ts'
import { openPool, type RunOn, statementRunner } from './pool.ts'
import { asPassing, isConflict, isLost, Passing, retried } from './retry.ts'

interface Held {
  readonly pool: pg.Pool
  readonly counts: Counts
  readonly run: RunOn
  readonly over: (run: Run) => Kysely<unknown>
  /** The transaction that the code at hand runs in: how the guard knows where it is called from. */
  readonly current: AsyncLocalStorage<Session>
}

export function openPostgres(url: string, connections: number): Database {
  const counts: Counts = { statements: 0, commits: 0 }
  const pool = openPool(url, connections)
  const over = kyselyOver(new PostgresDialect({ pool }))
  const held: Held = { pool, counts, run: statementRunner(counts), over, current: new AsyncLocalStorage() }
  const gate = closable(() => pool.end())

  function refuseInside(detail: string): void {
    if (held.current.getStore()?.open) throw new HandleMisused(detail)
  }
  const run: Run = async (query) => {
    refuseInside(usedOutside)
    return gate.pass(() => retried(() => readOnce(held, query)))
  }
  async function apart(query: CompiledQuery, within: number): Promise<QueryResult<unknown>> {
    refuseInside(usedOutside)
    return gate.pass(() => retried(() => readWithin(held, query, within)))
  }
  async function transaction<R>(work: (db: Database) => Promise<R>): Promise<R> {
    refuseInside(usedNested)
    return gate.pass(() => retried(() => attempt(held, work)))
  }
  return { dialect: 'postgres', [inside]: { kysely: over(run), run, apart, transaction, close: gate.close, counts } }
}

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect()
  } catch (error) {
    // A pool that had no connection to spare for seconds has none after a pause either; neither has a wrong password.
    const again = isLost(error) && !(error instanceof Error && error.message.includes('timeout'))
    throw again ? new Passing('lost', error) : new DatabaseUnavailable('no connection', error)
  }
}

async function readOnce({ pool, run }: Held, query: CompiledQuery): Promise<QueryResult<unknown>> {
  const client = await connect(pool)
  let broken = false
  try {
    return await run(client, query)
  } catch (error) {
    broken = isLost(error)
    throw asPassing(error)
  } finally {
    client.release(broken)
  }
}

/** Unnamed: each is planned for its own values. */
async function readWithin({ pool, counts }: Held, query: CompiledQuery, within: number): Promise<QueryResult<unknown>> {
  checkParameters(query.parameters)
  counts.statements++
  const client = await connect(pool)
  let broken = false
  try {
    const limits = `begin read only; set local statement_timeout = ${Math.ceil(within)}; set local jit = off`
    const asked = { text: query.sql, values: query.parameters as unknown[] }
    const [, { rows }] = await Promise.all([client.query(limits), client.query(asked)])
    await client.query('commit')
    return { rows }
  } catch (error) {
    broken = await rollbackFails(client)
    throw errorCode(error) === CANCELED ? new TookTooLong(error) : asPassing(error)
  } finally {
    client.release(broken)
  }
}

/** query_canceled */
const CANCELED = '57014'

/** One try of a transaction. Throws Passing if nothing was stored and another try makes sense. */
async function attempt<R>(held: Held, work: (db: Database) => Promise<R>): Promise<R> {
  const client = await connect(held.pool)
  const session: Session = { open: true, failure: undefined }
  let broken = false
  try {
    const begun = client.query('begin read write').catch((error: unknown) => {
      session.failure ??= asError(error)
    })
    const value = await held.current.run(session, () => work(openHandle(held, client, session)))
    session.open = false
    await begun
    if (session.failure !== undefined) throw session.failure
    await commit(client)
    held.counts.commits++
    return value
  } catch (error) {
    session.open = false
    broken = await rollbackFails(client)
    // A deadlock is tried again whatever `work` made of the error.
    throw retriable(session.failure) ?? error
  } finally {
    client.release(broken)
  }
}

function retriable(failure: Error | undefined): Passing | undefined {
  const verdict = failure === undefined ? undefined : asPassing(failure)
  return verdict instanceof Passing ? verdict : undefined
}

async function commit(client: pg.PoolClient): Promise<void> {
  let command: string
  try {
    command = (await client.query('commit')).command
  } catch (error) {
    if (isConflict(error)) throw new Passing('conflict', error)
    throw isLost(error) ? new DatabaseUnavailable('the outcome of the commit is unknown', error) : error
  }
  if (command !== 'COMMIT') throw new Error('a statement that was not awaited failed: the transaction was rolled back')
}

async function rollbackFails(client: pg.PoolClient): Promise<boolean> {
  try {
    await client.query('rollback')
    return false
  } catch {
    return true
  }
}

function openHandle({ run: runOn, over, counts }: Held, client: pg.PoolClient, session: Session): Database {
  const run: Run = async (query) => {
    if (!session.open) throw new HandleMisused(usedLate)
    if (session.failure !== undefined) throw session.failure
    try {
      return await runOn(client, query)
    } catch (error) {
      session.failure ??= asError(error)
      throw error
    }
  }
  return {
    dialect: 'postgres',
    [inside]: { kysely: over(run), run, transaction: refuseNested, close: refuseNested, counts },
  }
}

async function refuseNested(): Promise<never> {
  throw new HandleMisused(usedNested)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
