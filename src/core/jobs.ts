import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import type { Log } from '../log.ts'
import type { CoreTables } from './tables.ts'

const leaseMilliseconds = 60_000
const concurrency = 16

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

/** Runs what is due, each job under a lease, and waits for it. Returns how many ran. A job that throws runs again later, with growing pauses. */
export async function runDueJobs(runner: Runner): Promise<number> {
  const { db, clock, node } = runner
  const now = clock().getTime()
  const due = await dueJobs(db, now)
  if (due.length === 0) return 0
  const claimed = await transaction(db, (db) =>
    withTables<CoreTables>(db)
      .updateTable('jobs')
      .set({ lease_owner: node, lease_until: now + leaseMilliseconds })
      .where(
        'id',
        'in',
        due.map(({ id }) => id),
      )
      .where(({ or, eb }) => or([eb('lease_until', 'is', null), eb('lease_until', '<=', now)]))
      .returning(['id', 'kind', 'ref', 'attempts'])
      .execute(),
  )
  await Promise.all(claimed.map((job) => runJob(runner, job)))
  return claimed.length
}

function dueJobs(db: Database, now: number) {
  return withTables<CoreTables>(db)
    .selectFrom('jobs')
    .select('id')
    .where('run_at', '<=', now)
    .where(({ or, eb }) => or([eb('lease_until', 'is', null), eb('lease_until', '<=', now)]))
    .orderBy('run_at')
    .limit(concurrency)
    .execute()
}

async function runJob(
  { db, clock, log, node, handlers }: Runner,
  job: { id: number; kind: string; ref: string; attempts: number },
): Promise<void> {
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
