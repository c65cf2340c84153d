import { type Kysely, sql } from 'kysely'
import type { Door } from '../../src/core/core.ts'
import { statement, withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Chore, Host } from '../../src/protocol.ts'
import { keyHolder } from './challenge.ts'
import type { ScepTables } from './tables.ts'
import { originOf } from './transaction.ts'

/** How long a transaction is kept after its request has ended; docs/protocols/scep.md names it. */
const KEPT_MS = 90 * 86_400_000
/** Rows of one look, and of one transaction of the database. */
const BATCH = 200
/** As long as there is much to forget, so many looks follow each other. */
const MOST_LOOKS = 50
const PAUSE_MS = 60_000

/** Behind which row the next look begins. */
interface Place {
  created_at: number
  ref: string
}

const BEGINNING: Place = { created_at: 0, ref: '' }

/**
 * Forgets transactions whose requests ended long ago, some at a time, from the oldest on; after the last that is old enough it begins again. What waits, for
 * however long, is kept: its client still asks.
 */
export function retention(host: Host): Chore {
  let at = BEGINNING
  return {
    name: 'forget SCEP transactions that ended long ago',
    every: PAUSE_MS,
    async run() {
      for (let looks = 0; looks < MOST_LOOKS; looks++) {
        const { forgotten, next } = await forgetTransactions(host, at)
        at = next
        // Those that are kept cost questions: where they are many, there is no hurry.
        if (next === BEGINNING || forgotten < BATCH / 2) break
      }
    },
  }
}

/** Rows behind a place that are old enough, oldest first. Exported for the test of its plan. */
export const oldRows = (tables: Kysely<ScepTables>, after: Place, cutoff: number, batch: number) =>
  tables
    .selectFrom('scep_transactions')
    .select(['ref', 'origin', 'created_at'])
    .where('created_at', '<=', cutoff)
    .where(({ eb, refTuple, tuple }) => eb(refTuple('created_at', 'ref'), '>', tuple(after.created_at, after.ref)))
    .orderBy('created_at')
    .orderBy('ref')
    .limit(sql.lit(batch))

/** One look. Exported for tests. */
export async function forgetTransactions(
  host: Host,
  after: Place = BEGINNING,
  batch = BATCH,
): Promise<{ forgotten: number; next: Place }> {
  const cutoff = host.clock().getTime() - KEPT_MS
  const rows = await oldRows(withTables<ScepTables>(host.db), after, cutoff, batch).execute()
  const door = host.core.as(keyHolder(undefined, 'retention'))
  const over: typeof rows = []
  for (const row of rows) if (await isOver(door, row.origin, cutoff)) over.push(row)
  const forgotten = over.length === 0 ? 0 : await forget(host, over)
  const last = rows.at(-1)
  return { forgotten, next: last && rows.length === batch ? last : BEGINNING }
}

async function isOver(door: Door, origin: string, cutoff: number): Promise<boolean> {
  const request = await door.findSignRequest(originOf(origin))
  return !request || (request.endedAt !== undefined && request.endedAt.getTime() <= cutoff)
}

/** Not one that has begun to be about something else meanwhile. */
const forgetOne = statement((tables: Kysely<ScepTables>, ref: string, origin: string) =>
  tables.deleteFrom('scep_transactions').where('ref', '=', ref).where('origin', '=', origin),
)

function forget(host: Host, rows: readonly { ref: string; origin: string }[]): Promise<number> {
  return transaction(host.db, async (db) => {
    let forgotten = 0
    for (const { ref, origin } of rows) forgotten += (await forgetOne(db, ref, origin)).changed
    return forgotten
  })
}
