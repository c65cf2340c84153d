import { type Kysely, type Selectable, sql } from 'kysely'
import type { Database } from '../db/open.ts'
import { statement } from '../db/statement.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import type { Log } from '../log.ts'
import type { CoreTables } from './tables.ts'

const leaseMilliseconds = 60_000
/** So many jobs of one kind run at a time: a kind whose jobs are slow leaves the others their places. */
const placesOfKind = 16
/** So long a lease is renewed; whoever takes longer has got stuck, and somebody else may begin anew. */
const longest = 600_000

/** What a job of a kind does with its ref. It may run more than once: after a crash, or when its lease ran out. */
export type JobHandlers = Record<string, (ref: string) => Promise<void>>

/** Stores a job in the caller's transaction. The same kind and ref is one job, which then runs at the earlier time. */
export async function enqueueJob(
  db: Database,
  job: { kind: string; ref: string; runAt: Date; at: Date },
): Promise<void> {
  await withTables<CoreTables>(db)
    .insertInto('jobs')
    .values({
      kind: job.kind,
      ref: job.ref,
      run_at: job.runAt.getTime(),
      attempts: 0,
      lease_owner: null,
      lease_until: null,
      last_error: null,
      created_at: job.at.getTime(),
    })
    .onConflict((conflict) =>
      conflict
        .columns(['kind', 'ref'])
        .doUpdateSet({ run_at: job.runAt.getTime() })
        .where('jobs.run_at', '>', job.runAt.getTime()),
    )
    .execute()
}

interface Runner {
  db: Database
  node: string
  clock: () => Date
  log: Log
  handlers: JobHandlers
}

type Claimed = Pick<Selectable<CoreTables['jobs']>, 'id' | 'kind' | 'ref' | 'attempts'>

interface UnderWay {
  job: Claimed
  since: number
  until: number
  done: Promise<void>
}

/** Runs jobs, each under a lease that is renewed while it runs. A job that throws runs again later, with growing pauses. */
export interface JobRunner {
  /** Begins what is due, as far as its kind has places, and waits for none of it. Answers how many it began. */
  begin(): Promise<number>
  /** Resolves when all that was begun has ended. */
  settled(): Promise<void>
}

export function createJobRunner(runner: Runner): JobRunner {
  const underWay = new Map<number, UnderWay>()
  const { db, clock, node, log } = runner

  function begin(job: Claimed, now: number): void {
    const done = runJob(runner, job)
      .catch((error: unknown) =>
        log.error({ err: error, kind: job.kind, ref: job.ref }, 'what became of a job is not noted'),
      )
      .finally(() => underWay.delete(job.id))
    underWay.set(job.id, { job, since: now, until: now + leaseMilliseconds, done })
  }

  const countOf = (kind: string) => [...underWay.values()].filter(({ job }) => job.kind === kind).length

  return {
    async begin() {
      const now = clock().getTime()
      await renewLeases(runner, [...underWay.values()], now)
      const kinds = new Set([...underWay.values()].map(({ job }) => job.kind))
      const full = [...kinds].filter((kind) => countOf(kind) >= placesOfKind)
      const room = new Map<string, number>()
      const due = (await dueJobs(db, now, full)).filter(({ id, kind }) => {
        const left = room.get(kind) ?? placesOfKind - countOf(kind)
        if (left <= 0 || underWay.has(id)) return false
        room.set(kind, left - 1)
        return true
      })
      if (due.length === 0) return 0
      const ids = due.map(({ id }) => id)
      const claimed = await transaction(db, (db) =>
        withTables<CoreTables>(db)
          .updateTable('jobs')
          .set({ lease_owner: node, lease_until: now + leaseMilliseconds })
          .where('id', 'in', ids)
          .where(({ or, eb }) => or([eb('lease_until', 'is', null), eb('lease_until', '<=', now)]))
          .returning(['id', 'kind', 'ref', 'attempts'])
          .execute(),
      )
      for (const job of claimed) begin(job, now)
      return claimed.length
    },
    async settled() {
      while (underWay.size > 0) await Promise.all([...underWay.values()].map(({ done }) => done))
    },
  }
}

/** Runs what is due, and waits for it. Answers how many ran. */
export async function runDueJobs(runner: Runner): Promise<number> {
  const jobs = createJobRunner(runner)
  const begun = await jobs.begin()
  await jobs.settled()
  return begun
}

async function renewLeases({ db, node }: Runner, underWay: UnderWay[], now: number): Promise<void> {
  const aging = underWay.filter(({ since, until }) => until - now < leaseMilliseconds / 2 && now - since < longest)
  if (aging.length === 0) return
  const until = now + leaseMilliseconds
  const ids = aging.map(({ job }) => job.id)
  await transaction(db, (db) =>
    withTables<CoreTables>(db)
      .updateTable('jobs')
      .set({ lease_until: until })
      .where('id', 'in', ids)
      .where('lease_owner', '=', node)
      .execute(),
  )
  for (const one of aging) one.until = until
}

async function dueJobs(db: Database, now: number, fullKinds: string[]): Promise<{ id: number; kind: string }[]> {
  if (fullKinds.length === 0) return (await dueOfAnyKind(db, now)).rows
  return jobsDue(withTables<CoreTables>(db), now).where('kind', 'not in', fullKinds).execute()
}

function jobsDue(tables: Kysely<CoreTables>, now: number) {
  return tables
    .selectFrom('jobs')
    .select(['id', 'kind'])
    .where('run_at', '<=', now)
    .where(({ or, eb }) => or([eb('lease_until', 'is', null), eb('lease_until', '<=', now)]))
    .orderBy('run_at')
    .limit(sql.lit(placesOfKind))
}

const dueOfAnyKind = statement(jobsDue)

async function runJob({ db, clock, log, node, handlers }: Runner, job: Claimed): Promise<void> {
  try {
    const handler = handlers[job.kind]
    if (!handler) throw new Error(`nobody here runs jobs of the kind ${job.kind}`)
    await handler(job.ref)
    await transaction(db, (db) =>
      withTables<CoreTables>(db).deleteFrom('jobs').where('id', '=', job.id).where('lease_owner', '=', node).execute(),
    )
  } catch (error) {
    log.error({ err: error, kind: job.kind, ref: job.ref }, 'a job failed and will run again')
    const pause = Math.min(3_600_000, 1_000 * 2 ** Math.min(job.attempts, 12))
    await transaction(db, (db) =>
      withTables<CoreTables>(db)
        .updateTable('jobs')
        .set({
          attempts: job.attempts + 1,
          run_at: clock().getTime() + pause,
          lease_owner: null,
          lease_until: null,
          last_error: String(error).slice(0, 500),
        })
        .where('id', '=', job.id)
        .where('lease_owner', '=', node)
        .execute(),
    )
  }
}

/** Gives back at once what a process that is gone held. Only where this process is the only one: at start on SQLite. */
export async function releaseLeases(db: Database): Promise<void> {
  await transaction(db, (db) =>
    withTables<CoreTables>(db).updateTable('jobs').set({ lease_owner: null, lease_until: null }).execute(),
  )
}
