import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { openSign } from '../request/openRequests.ts'
import type { CoreTables } from '../tables.ts'

/** How long a challenge is shown in lists after its end, and how long it is known which keys have used a static one. */
const KEPT_MS = 90 * 86_400_000
const BATCH = 200
const MOST_LOOKS = 50

type End = 'expires_at' | 'revoked_at'

interface Place {
  at: number
  id: number
}

/**
 * Forgets challenges that ended 90 days ago, with their uses, and which keys used a static one so long ago; some at a time. A challenge with which something
 * still waits stays, so that revoking it withdraws that. Nothing of the audit trail is touched. Answers how many rows went.
 */
export async function forgetChallenges(db: Database, now: Date, batch = BATCH): Promise<number> {
  const cutoff = now.getTime() - KEPT_MS
  let forgotten = 0
  for (const end of ['expires_at', 'revoked_at'] as const) {
    let place: Place | undefined = { at: 0, id: 0 }
    for (let looks = 0; place && looks < MOST_LOOKS; looks++) {
      const look: Look = await forgetEnded(db, end, { place, cutoff, batch })
      forgotten += look.forgotten
      place = look.next
    }
  }
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const uses = await forgetUses(db, cutoff, batch)
    forgotten += uses
    if (uses < batch) break
  }
  return forgotten
}

interface Look {
  forgotten: number
  /** Undefined: there are no more that are old enough. */
  next: Place | undefined
}

/** Challenges that ended by then, in the order of their end. Exported for the test of its plan. */
export const endedChallenges = (
  tables: Kysely<CoreTables>,
  end: End,
  { place, cutoff, batch }: { place: Place; cutoff: number; batch: number },
) =>
  tables
    .selectFrom('challenges')
    .select(['id', 'uuid', 'profile_id', `${end} as at`])
    .where(end, '<=', cutoff)
    .where(({ eb, refTuple, tuple }) => eb(refTuple(end, 'id'), '>', tuple(place.at, place.id)))
    .orderBy(end)
    .orderBy('id')
    .limit(sql.lit(batch))

async function forgetEnded(
  db: Database,
  end: End,
  look: { place: Place; cutoff: number; batch: number },
): Promise<Look> {
  const rows = await endedChallenges(withTables<CoreTables>(db), end, look).execute()
  const ids: number[] = []
  for (const row of rows) if (!(await isWaitedFor(db, row))) ids.push(row.id)
  if (ids.length > 0)
    await transaction(db, async (db) => {
      const tables = withTables<CoreTables>(db)
      await tables.deleteFrom('challenge_uses').where('challenge_id', 'in', ids).execute()
      await tables.deleteFrom('challenges').where('id', 'in', ids).execute()
    })
  const last = rows.at(-1)
  const next = last?.at && rows.length === look.batch ? { at: last.at, id: last.id } : undefined
  return { forgotten: ids.length, next }
}

async function isWaitedFor(
  db: Database,
  { uuid, profile_id: profileId }: { uuid: string; profile_id: number },
): Promise<boolean> {
  const waiting = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('id')
    .where(openSign)
    .where('profile_id', '=', profileId)
    .where('requester_key', 'like', `challenge:${uuid}/%`)
    .limit(1)
    .executeTakeFirst()
  return waiting !== undefined
}

/** Of static challenges: they can be used any number of times, so that nothing hangs on who has. Exported for the test of its plan. */
export const oldUses = (tables: Kysely<CoreTables>, cutoff: number, batch: number) =>
  tables
    .selectFrom('challenge_uses')
    .innerJoin('challenges', 'challenges.id', 'challenge_uses.challenge_id')
    .select(['challenge_uses.challenge_id', 'challenge_uses.spki_hash', 'challenge_uses.transaction_hash'])
    .where('challenge_uses.created_at', '<=', cutoff)
    .where('challenges.kind', '=', 'static')
    .orderBy('challenge_uses.created_at')
    .limit(sql.lit(batch))

async function forgetUses(db: Database, cutoff: number, batch: number): Promise<number> {
  const rows = await oldUses(withTables<CoreTables>(db), cutoff, batch).execute()
  if (rows.length > 0)
    await transaction(db, async (db) => {
      for (const row of rows)
        await withTables<CoreTables>(db)
          .deleteFrom('challenge_uses')
          .where('challenge_id', '=', row.challenge_id)
          .where('spki_hash', '=', row.spki_hash)
          .where('transaction_hash', '=', row.transaction_hash)
          .execute()
    })
  return rows.length
}
