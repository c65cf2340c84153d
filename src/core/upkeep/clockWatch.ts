import { sql } from 'kysely'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { raiseAlert } from '../audit/alert.ts'
import type { Installation } from '../installation.ts'
import { openSign } from '../request/openRequests.ts'
import type { CoreTables } from '../tables.ts'

/** What is less is drift, which time synchronisation evens out. Milliseconds. */
const JUMP = 5_000

/**
 * Looks whether the clock has jumped since it was last asked, beside one that only runs on (`monotonic`, milliseconds). It tells of a jump; and where the
 * clock was set back, what is leased or waits for its time keeps the time that it had left, and does not wait for the clock to get there again.
 */
export function watchClock(it: Installation, monotonic = () => performance.now()): () => Promise<void> {
  const distance = () => it.clock().getTime() - monotonic()
  let known = distance()
  return async () => {
    const moved = Math.round(distance() - known)
    if (Math.abs(moved) >= JUMP) {
      await tell(it, moved)
      if (moved < 0) await bringForward(it, -moved)
    }
    known += moved
  }
}

async function tell(it: Installation, moved: number): Promise<void> {
  const at = it.clock()
  const seconds = Math.round(Math.abs(moved) / 1_000)
  const way = moved < 0 ? 'back' : 'forward'
  const advice = 'see to its time synchronisation: what was signed meanwhile names the time that it showed'
  const detail = `the clock of this server was set ${way} by ${seconds} s, to ${at.toISOString().slice(0, 19)} (UTC); ${advice}`
  it.log.warn({ seconds, way }, detail)
  const subject = { kind: 'installation', id: null } as const
  await transaction(it.db, (db) => raiseAlert(db, at, { kind: 'clock', organizationId: null, subject, detail }))
}

/** By so many milliseconds, but nothing into the past. */
async function bringForward(it: Installation, by: number): Promise<void> {
  const now = it.clock().getTime()
  const earlier = (column: string) => {
    const name = sql.ref<number>(column)
    return sql<number>`case when ${name} - ${sql.lit(by)} > ${sql.lit(now)} then ${name} - ${sql.lit(by)} else ${sql.lit(now)} end`
  }
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    await tables
      .updateTable('jobs')
      .set({ run_at: earlier('run_at') })
      .where('run_at', '>', now)
      .execute()
    await tables
      .updateTable('jobs')
      .set({ lease_until: earlier('lease_until') })
      .where('lease_until', '>', now)
      .execute()
    await tables
      .updateTable('sign_attempts')
      .set({ lease_until: earlier('lease_until') })
      .where('lease_until', '>', now)
      .where('sign_request_id', 'in', tables.selectFrom('sign_requests').select('id').where(openSign))
      .execute()
    await tables
      .updateTable('webhooks')
      .set({ next_at: earlier('next_at') })
      .where('next_at', '>', now)
      .execute()
    await tables
      .updateTable('webhooks')
      .set({ lease_until: earlier('lease_until') })
      .where('lease_until', '>', now)
      .execute()
    await tables
      .updateTable('webhook_deliveries')
      .set({ not_before: earlier('not_before') })
      .where(sql<boolean>`status = 'pending'`)
      .where('not_before', '>', now)
      .execute()
  })
}
