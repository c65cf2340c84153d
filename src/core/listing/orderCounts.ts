import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Reader } from '../request/requestReader.ts'
import type { CoreTables } from '../tables.ts'

const CURSOR = 'order counts'
/** Events of the trail at once. */
const BATCH = 2_000
const DAY = 86_400_000

const ends = ['signed', 'failed', 'denied', 'expired', 'canceled'] as const

/** How many orders of a protocol came to an end on a day of UTC. An order that failed and was tried again counts for both. */
export interface DailyOrders {
  /** Its first moment. */
  day: Date
  protocol: string
  issued: number
  /** Failed for good, or marked so. */
  failed: number
  /** Denied by people, rules or policy, or answered by nobody in time. */
  refused: number
  canceled: number
}

/**
 * Counts what the trail tells, from where the last call stopped, at most so many batches, and none after `stop`; answers whether it has come to the end. Only sealed events are looked at, for
 * their positions have no gaps and none comes later below another; so the counts are a second or two behind, and issuing pays nothing for them.
 */
export async function followOrders(db: Database, batches: number, stop?: AbortSignal): Promise<boolean> {
  for (let n = 0; n < batches && !stop?.aborted; n++) if (!(await followBatch(db))) return true
  return false
}

async function followBatch(db: Database): Promise<boolean> {
  const from = await cursor(db)
  const head = await headOf(db)
  if (head <= from) return false
  const upTo = Math.min(head, from + BATCH)
  const counted = await countBetween(db, from, upTo)
  return transaction(db, async (db) => {
    const tables = withTables<CoreTables>(db)
    await tables
      .insertInto('settings')
      .values({ name: CURSOR, value: '0' })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    // Of two nodes that count at once one goes on.
    const moved = await tables
      .updateTable('settings')
      .set({ value: String(upTo) })
      .where('name', '=', CURSOR)
      .where('value', '=', String(from))
      .returning('name')
      .executeTakeFirst()
    if (moved && counted.length > 0)
      await tables
        .insertInto('order_counts')
        .values(counted)
        .onConflict((conflict) =>
          conflict
            .columns(['organization_id', 'day', 'authority_id', 'profile_id', 'protocol', 'status'])
            .doUpdateSet({ n: sql<number>`order_counts.n + excluded.n` }),
        )
        .execute()
    return true
  })
}

async function cursor(db: Database): Promise<number> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('settings')
    .select('value')
    .where('name', '=', CURSOR)
    .executeTakeFirst()
  return Number(row?.value ?? 0)
}

async function headOf(db: Database): Promise<number> {
  const { position } = await withTables<CoreTables>(db)
    .selectFrom('audit_seals')
    .select((eb) => eb.fn.max<number | null>('position').as('position'))
    .executeTakeFirstOrThrow()
  return position ?? 0
}

/** What has become of orders, of these positions of the chain. */
export function endedBetween(db: Database, from: number, upTo: number) {
  // A cross join is taken from left to right by SQLite, which would else go through all events of orders that there ever were.
  return (
    withTables<CoreTables>(db)
      .selectFrom('audit_seals')
      .crossJoin('audit_events')
      .crossJoin('sign_requests')
      .select(['audit_events.at', 'audit_events.status', 'sign_requests.organization_id', 'sign_requests.protocol'])
      .select(['sign_requests.authority_id', 'sign_requests.profile_id'])
      .where('position', '>', from)
      .where('position', '<=', upTo)
      .whereRef('audit_events.id', '=', 'audit_seals.event_id')
      .where('audit_events.subject_kind', '=', 'sign_request')
      .where('audit_events.status', 'in', [...ends])
      .whereRef('sign_requests.id', '=', 'audit_events.subject_id')
      // Nobody ordered here what was uploaded, imported or discovered (importedCertificate.ts).
      .where('sign_requests.protocol', '<>', 'import')
  )
}

async function countBetween(db: Database, from: number, upTo: number) {
  const rows = await endedBetween(db, from, upTo).execute()
  const counts = new Map<string, CountRow>()
  for (const { at, status, ...place } of rows) {
    const row: CountRow = { ...place, day: Math.floor(at / DAY), status: status ?? '', n: 0 }
    const key = JSON.stringify(row)
    const known = counts.get(key) ?? row
    known.n += 1
    counts.set(key, known)
  }
  return [...counts.values()]
}

type CountRow = CoreTables['order_counts']

/** Those of the last so many days that a reader may see, today among them; the oldest first. */
export async function dailyOrders(
  db: Database,
  reader: Reader,
  { now, days }: { now: Date; days: number },
): Promise<DailyOrders[]> {
  if (reader.sees === 'own') return []
  const today = Math.floor(now.getTime() / DAY)
  let query = withTables<CoreTables>(db)
    .selectFrom('order_counts')
    .select(['day', 'protocol', 'status', 'authority_id', 'profile_id'])
    .select((eb) => eb.fn.sum<number>('n').as('n'))
    .where('day', '>', today - days)
    .where('day', '<=', today)
    .groupBy(['day', 'protocol', 'status', 'authority_id', 'profile_id'])
    .orderBy('day')
    .orderBy('protocol')
  if (reader.sees === 'organization') query = query.where('organization_id', '=', reader.organizationId)
  const rows = await query.execute()
  const seen = reader.sees === 'all' ? undefined : await placesOf(reader, rows)
  const found = new Map<string, DailyOrders>()
  for (const row of rows) {
    if (seen && !seen.has(placeOf(row))) continue
    const key = `${row.day} ${row.protocol}`
    const none = { issued: 0, failed: 0, refused: 0, canceled: 0 }
    const daily = found.get(key) ?? { day: new Date(row.day * DAY), protocol: row.protocol, ...none }
    daily[memberOf(row.status)] += Number(row.n)
    found.set(key, daily)
  }
  return [...found.values()]
}

function memberOf(status: string): 'issued' | 'failed' | 'refused' | 'canceled' {
  if (status === 'signed') return 'issued'
  if (status === 'failed' || status === 'canceled') return status
  return 'refused'
}

interface Place {
  authority_id: number
  profile_id: number
}

const placeOf = ({ authority_id, profile_id }: Place): string => `${authority_id}/${profile_id}`

/** Where he may read whatever anybody ordered. */
async function placesOf(reader: Extract<Reader, { sees: 'organization' }>, rows: Place[]): Promise<Set<string>> {
  const places = [...new Map(rows.map((row) => [placeOf(row), row])).values()]
  const nobody = { requester: JSON.stringify({ people: [] }), requester_key: '' }
  // Of no request: what a step of one lets him read is not counted.
  const asked = places.map(({ authority_id, profile_id }, at) => ({ id: -1 - at, authority_id, profile_id, ...nobody }))
  const ids = asked.length === 0 ? new Set<number>() : await reader.may('sign', asked)
  return new Set(asked.filter(({ id }) => ids.has(id)).map(placeOf))
}
