import { AsyncLocalStorage } from 'node:async_hooks'
import { type CompiledQuery, type Kysely, PostgresDialect, type QueryResult } from 'kysely'
import type { PoolClient } from 'pg'
import {
  DatabaseUnavailable,
  errorCode,
  HandleMisused,
  outcomeUnknown,
  TookTooLong,
  usedLate,
  usedNested,
  usedOutside,
  usedTwice,
} from './errors.ts'
import { checkParameters, kyselyOver } from './executor.ts'
import { closable } from './gate.ts'
import {
  type Connections,
  type Counts,
  type Database,
  inside,
  type Run,
  type Session,
  type TransactOptions,
} from './handle.ts'
import { endTransaction, limited, openPool, type Pool, type Runner, statementRunner } from './pool.ts'
import { BEGIN } from './prepared.ts'
import { asPassing, isConflict, isLost, isOutdated, isSpent, isStandby, Passing, retried } from './retry.ts'
import { addAll, committed, newCounts, tallyNow, tallyOf } from './tally.ts'

interface Held {
  readonly pool: Pool
  readonly answerWithin: number
  readonly counts: Counts
  readonly runner: Runner
  readonly over: (run: Run) => Kysely<unknown>
  /** The transaction that the code at hand runs in: how the guard knows where it is called from; undefined without a guard. */
  readonly current: AsyncLocalStorage<Session> | undefined
}

/** Longer than anything that is asked for takes; lists and migrations have limits of their own. */
const ANSWER_MS = 30_000

interface PostgresOptions {
  /** How many at most. */
  connections?: number | undefined
  /** Milliseconds that one statement may take. */
  answerWithin?: number | undefined
  /** Refuses what goes past the transaction that it is called in. It costs a look at every promise of the process, 3 % of an issuance: tests have it. */
  guarded?: boolean | undefined
}

interface Own extends Session {
  /** Is there once BEGIN has been sent, and resolves when it has been answered, where it was sent alone or with COMMIT. */
  begun: Promise<void> | undefined
  /** Its one statement has been sent with COMMIT. */
  committed: boolean
}

const BEGUN = Promise.resolve()

export function openPostgres(
  url: string,
  { connections = 10, answerWithin = ANSWER_MS, guarded = false }: PostgresOptions,
): Database {
  const counts = newCounts()
  const pool = openPool(url, { connections, answerWithin })
  const over = kyselyOver(new PostgresDialect({ pool }))
  const runner = statementRunner(counts, answerWithin)
  const current = guarded ? new AsyncLocalStorage<Session>() : undefined
  const held: Held = { pool, answerWithin, counts, runner, over, current }
  const gate = closable(() => pool.end())

  function refuseInside(detail: string): void {
    if (current?.getStore()?.open) throw new HandleMisused(detail)
  }
  const run: Run = async (query) => {
    refuseInside(usedOutside)
    return gate.pass(() => retried(() => readOnce(held, query)))
  }
  async function apart(query: CompiledQuery, within: number): Promise<QueryResult<unknown>> {
    refuseInside(usedOutside)
    return gate.pass(() => retried(() => readWithin(held, query, within)))
  }
  async function transaction<R>(work: (db: Database) => Promise<R>, options: TransactOptions = {}): Promise<R> {
    refuseInside(usedNested)
    return gate.pass(() => retried(() => attempt(held, work, options)))
  }
  const connectionsNow = (): Connections => {
    const { totalCount, idleCount: idle, waitingCount: waiting } = pool
    return { idle, busy: totalCount - idle, waiting }
  }
  const tally = tallyNow(counts)
  const all = {
    kysely: over(run),
    run,
    apart,
    transaction,
    close: gate.close,
    counts,
    tally,
    connections: connectionsNow,
  }
  return { dialect: 'postgres', [inside]: all }
}

/** What may wait for a connection of the pool: a statement or a transaction each. */
const MOST_WAITING = 5_000

async function connect(pool: Pool): Promise<PoolClient> {
  if (pool.waitingCount >= MOST_WAITING) throw new DatabaseUnavailable('too much waits for its connections')
  try {
    return await pool.connect()
  } catch (error) {
    // A pool that had no connection to spare for seconds has none after a pause either; neither has a wrong password.
    const again = isLost(error) && !(error instanceof Error && error.message.includes('timeout'))
    throw again ? new Passing('lost', error) : new DatabaseUnavailable('no connection', error)
  }
}

async function readOnce({ pool, runner }: Held, query: CompiledQuery): Promise<QueryResult<unknown>> {
  const client = await connect(pool)
  let broken = false
  try {
    return await runner.run(client, query)
  } catch (error) {
    broken = isLost(error)
    throw verdictOn(error, pool, client)
  } finally {
    client.release(broken)
  }
}

/** What its caller hears. A connection that was silent, or that knows old tables, tells of all the others. */
function verdictOn(error: unknown, pool: Pool, client: PoolClient): unknown {
  if (isOutdated(error)) pool.renew(client)
  return asPassing(error)
}

/** Unnamed: each is planned for its own values. */
async function readWithin({ pool, counts }: Held, query: CompiledQuery, within: number): Promise<QueryResult<unknown>> {
  checkParameters(query.parameters)
  counts.statements++
  const client = await connect(pool)
  let broken = false
  try {
    const limits = `begin read only; set local statement_timeout = ${Math.ceil(within)}; set local jit = off`
    const asked = limited({ text: query.sql, values: query.parameters as unknown[] }, within)
    const [, { rows }] = await Promise.all([client.query(limited({ text: limits }, within)), client.query(asked)])
    await client.query(limited({ text: 'commit' }, within))
    return { rows }
  } catch (error) {
    broken = await rollbackFails(client, within)
    throw errorCode(error) === CANCELED ? new TookTooLong(error) : verdictOn(error, pool, client)
  } finally {
    client.release(broken)
  }
}

/** query_canceled */
const CANCELED = '57014'

/** One try of a transaction. Throws Passing if nothing was stored and another try makes sense. */
async function attempt<R>(held: Held, work: (db: Database) => Promise<R>, options: TransactOptions): Promise<R> {
  const { pool, answerWithin } = held
  const { patient = false, single = false } = options
  const client = await connect(pool)
  const session: Own = { open: true, failure: undefined, begun: undefined, committed: false }
  const began = performance.now()
  let broken = false
  try {
    if (patient) beginAlone(held, client, session, `${BEGIN.text}; set local statement_timeout = 0`)
    const handle = openHandle(held, client, { session, patient, single })
    const value = await (held.current ? held.current.run(session, () => work(handle)) : work(handle))
    session.open = false
    await session.begun
    if (session.failure !== undefined) throw session.failure
    if (session.begun && !session.committed) await commit(client, patient ? undefined : answerWithin)
    committed(held.counts, began)
    addAll(held.counts, session)
    return value
  } catch (error) {
    session.open = false
    const { begun, failure } = session
    const undone = !begun || !(await rollbackFails(client, answerWithin))
    broken = !undone || (failure !== undefined && isSpent(failure))
    if (isOutdated(failure) || isStandby(failure)) pool.renew(client)
    // A deadlock is tried again whatever `work` made of the error.
    throw passing(failure) ?? error
  } finally {
    client.release(broken)
  }
}

function beginAlone({ answerWithin }: Held, client: PoolClient, session: Own, text: string): void {
  session.begun = answered(session, client.query(limited({ text }, answerWithin)))
}

async function answered(session: Own, asked: Promise<unknown>): Promise<void> {
  try {
    await asked
  } catch (error) {
    session.failure ??= asError(error)
  }
}

function passing(failure: Error | undefined): Error | undefined {
  if (failure === undefined) return undefined
  if (isStandby(failure)) return new Passing('lost', failure)
  const verdict = asPassing(failure)
  return verdict instanceof Passing || verdict instanceof DatabaseUnavailable ? verdict : undefined
}

async function commit(client: PoolClient, within: number | undefined): Promise<void> {
  let command: string
  try {
    command = await endTransaction(client, within)
  } catch (error) {
    if (isConflict(error)) throw new Passing('conflict', error)
    throw isLost(error) ? outcomeUnknown(error) : asPassing(error)
  }
  if (command !== 'COMMIT') throw new Error('a statement that was not awaited failed: the transaction was rolled back')
}

async function rollbackFails(client: PoolClient, within: number): Promise<boolean> {
  try {
    await client.query(limited({ text: 'rollback' }, within))
    return false
  } catch {
    return true
  }
}

function openHandle(
  held: Held,
  client: PoolClient,
  { session, patient, single }: { session: Own; patient: boolean; single: boolean },
): Database {
  const { runner, over, counts } = held
  const run: Run = async (query) => {
    if (!session.open) throw new HandleMisused(usedLate)
    if (session.failure !== undefined) throw session.failure
    if (single && session.begun) throw new HandleMisused(usedTwice)
    const first = session.begun === undefined && runner.nameOf(query) !== undefined
    if (first) session.begun = BEGUN
    else if (!session.begun) beginAlone(held, client, session, BEGIN.text)
    session.committed = first && single
    try {
      const asked = runner.run(client, query, { first, last: session.committed, patient })
      if (session.committed) session.begun = answered(session, asked)
      return await asked
    } catch (error) {
      session.failure ??= asError(error)
      throw error
    }
  }
  return {
    dialect: 'postgres',
    [inside]: {
      kysely: over(run),
      run,
      transaction: refuseNested,
      close: refuseNested,
      counts,
      tally: tallyOf(session),
    },
  }
}

async function refuseNested(): Promise<never> {
  throw new HandleMisused(usedNested)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
