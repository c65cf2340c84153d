import { setTimeout as delay } from 'node:timers/promises'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

/**
 * Ends the upkeep of a process that is about to end: waits at most so many milliseconds for what is under way, and gives the jobs that it still
 * holds to whoever comes next. What a job was in the middle of is cut off, as by a crash, and begun anew.
 */
export async function endUpkeep(it: Installation, upkeep: { stop(): Promise<void> }, within: number): Promise<void> {
  const late = new AbortController()
  const ended = upkeep.stop().then(() => true)
  const inTime = await Promise.race([ended, delay(within, false, { signal: late.signal }).catch(() => false)])
  late.abort()
  if (inTime) return
  it.log.warn({ waited: within }, 'what runs beside requests did not end in time: others begin it anew')
  await transaction(it.db, (db) =>
    withTables<CoreTables>(db)
      .updateTable('jobs')
      .set({ lease_owner: null, lease_until: null })
      .where('lease_owner', '=', it.node)
      .execute(),
  ).catch((error: unknown) => it.log.warn({ err: error }, 'the jobs of this process are free when their leases end'))
}
