import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { storeNext } from '../issuance/attempt.ts'
import { runAttempt } from '../issuance/issue.ts'
import { openSign } from '../request/openRequests.ts'
import { readSignRequest } from '../request/records.ts'
import type { CoreTables } from '../tables.ts'
import { endUpstreamLeases } from '../upstream/upstreamWork.ts'

/**
 * Makes the next attempt of every request in `signing` whose last attempt's lease ran out: after a crash, or after
 * trouble that may pass. Returns how many were tried. Several nodes may call it at once.
 */
export async function resumeSigning(it: Installation): Promise<number> {
  const { rows: due } = await dueNow(it.db, it.clock().getTime())
  for (const { id, uuid } of due) {
    try {
      await resumeOne(it, id)
    } catch (error) {
      if (error instanceof Failure && error.code === 'conflict') continue
      it.log.error({ err: error, request: uuid }, 'a request could not be resumed')
    }
  }
  return due.length
}

/** Requests whose last attempt's lease, or pause, is over. */
export function dueForResume(tables: Kysely<CoreTables>, now: number) {
  return tables
    .selectFrom('sign_requests')
    .innerJoin('sign_attempts', (join) =>
      join
        .onRef('sign_attempts.sign_request_id', '=', 'sign_requests.id')
        .onRef('sign_attempts.number', '=', 'sign_requests.attempt'),
    )
    .select(['sign_requests.id', 'sign_requests.uuid'])
    .where(openSign)
    .where('sign_requests.status', '=', 'signing')
    .where('sign_attempts.lease_until', '<=', now)
    .limit(sql.lit(50))
}

const dueNow = statement(dueForResume)

async function resumeOne(it: Installation, id: number): Promise<void> {
  const request = await readSignRequest(it.db, id)
  if (request.status !== 'signing') return
  const attempt = await transaction(it.db, (db) => storeNext(db, it, request))
  if (attempt) await runAttempt(it, { ...request, attempt: attempt.number }, attempt)
}

/** Ends the leases of a process that is gone. Only where this process is the only one: at start on SQLite. */
export async function endLeases(it: Installation): Promise<void> {
  const now = it.clock().getTime()
  await transaction(it.db, async (db) => {
    await leasesOfOthers(db, it, now).execute()
    await endUpstreamLeases(db)
  })
}

/** Those of requests that are open, for an index leads to them: all attempts are as many as certificates were ever made. */
export function leasesOfOthers(db: Database, { node }: Pick<Installation, 'node'>, now: number) {
  const tables = withTables<CoreTables>(db)
  return tables
    .updateTable('sign_attempts')
    .set({ lease_until: now })
    .where('lease_until', '>', now)
    .where('lease_owner', '<>', node)
    .where('sign_request_id', 'in', tables.selectFrom('sign_requests').select('id').where(openSign))
}
