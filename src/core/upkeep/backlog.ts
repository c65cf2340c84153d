import { type RawBuilder, sql } from 'kysely'
import { readApart } from '../../db/apart.ts'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

/** Counting goes no further. */
export const MOST = 10_000
const DAY = 86_400_000
/** Milliseconds that each of these queries may take. */
const WITHIN = 500

/** What waits: how many, MOST at most, and for how many seconds the one that waits longest has. */
export interface Waiting {
  what: string
  count: number
  seconds: number
}

/** What the installation has still to do, as /metrics shows it. */
export interface Backlog {
  /** By kind; those whose time has come, and for how long it has. */
  jobs: Waiting[]
  /** Orders and revocations by `kind status`. */
  requests: Waiting[]
  /** Events that have no place in the audit chain yet. */
  audit: Waiting
  /** Messages to webhooks; behind: events of the chain that the slowest endpoint has not been told of. */
  deliveries: Waiting & { behind: number }
  /** Changes that lists do not find yet. */
  search: number
  /** Open ones by kind. */
  alerts: { kind: string; count: number }[]
}

const capped = sql.lit(MOST)

interface Found {
  what: string
  n: number
  least: number | null
}

/** Reads all of it: by indexes, and MOST rows of each at most. */
export async function readBacklog({ db, clock }: Installation): Promise<Backlog> {
  const now = clock().getTime()
  const toWaiting = ({ what, n, least }: Found): Waiting => ({
    what,
    count: Number(n),
    seconds: least === null ? 0 : Math.max(0, now - Number(least)) / 1_000,
  })
  const one = async (query: RawBuilder<unknown>) => (await grouped(db, query)).map(toWaiting)
  const none: Waiting = { what: '', count: 0, seconds: 0 }
  const requests = await Promise.all([
    found(db, waitingRequests('sign', 'requested')),
    found(db, waitingRequests('sign', 'signing')),
    found(db, waitingRequests('revoke', 'requested')),
    found(db, waitingRequests('revoke', 'revoking')),
  ])
  const [audit = none] = await one(unsealed)
  const [deliveries = none] = await one(undelivered)
  const alerts = await grouped(db, openAlerts)
  return {
    jobs: await one(dueJobs(now)),
    requests: requests.flat().map(toWaiting),
    audit,
    deliveries: { ...deliveries, behind: await eventsBehind(db) },
    search: (await one(unsearched))[0]?.count ?? 0,
    alerts: alerts.map(({ what, n }) => ({ kind: what, count: Number(n) })),
  }
}

/** `rows` has the columns what and at. */
function grouped(db: Database, rows: RawBuilder<unknown>): Promise<Found[]> {
  return found(db, sql<Found>`select what, count(*) as n, min(at) as least from (${rows}) as rows group by what`)
}

/** Beside everything else: a queue that is long is when nothing else may be held up. Throws TookTooLong. */
function found<Row>(db: Database, query: RawBuilder<Row>): Promise<Row[]> {
  return readApart<Row>(db, { compile: () => query.compile(withTables<CoreTables>(db)) }, WITHIN)
}

const dueJobs = (now: number) =>
  sql`select kind as what, run_at as at from jobs where run_at <= ${now} order by run_at limit ${capped}`

/** In the words of the partial indexes (openRequests.ts), which alone are read; a younger request has a higher id. */
const waitingRequests = (kind: 'sign' | 'revoke', status: string) => {
  const table = sql.table(`${kind}_requests`)
  const open = kind === 'sign' ? sql`('draft', 'requested', 'signing', 'failed')` : sql`('requested', 'revoking')`
  return sql<Found>`select ${sql.lit(`${kind} ${status}`)} as what, n,
    (select created_at from ${table} where id = counted.first) as least from (
      select count(*) as n, min(id) as first from (
        select id from ${table} where status in ${open} and status = ${sql.lit(status)} order by id limit ${capped}) as ids) as counted`
}

const unsealed = sql`select 'audit' as what, at from audit_events
  where id > (select coalesce(max(event_id), 0) from audit_seals) order by id limit ${capped}`

const undelivered = sql`select 'deliveries' as what, created_at as at from webhook_deliveries where status = 'pending' limit ${capped}`

const unsearched = sql`select 'search' as what, null as at from (select id from search_queue order by id limit ${capped}) as ids`

const openAlerts = sql`select kind as what, created_at as at from alerts where closed_at is null limit ${capped}`

async function eventsBehind(db: Database): Promise<number> {
  const [row] = await found(
    db,
    sql<{ behind: number | null }>`select (select max(position) from audit_seals) - min(position) as behind
      from webhooks where enabled = 1 and url is not null`,
  )
  return Math.max(0, Number(row?.behind ?? 0))
}

/** How many certificates end within so many days, each with those before: not revoked, MOST looked at. Throws TookTooLong. */
export async function expiringCertificates({ db, clock }: Installation): Promise<{ days: number; count: number }[]> {
  const now = clock().getTime()
  const until = (days: number) => sql`count(case when not_after <= ${now + days * DAY} then 1 end)`
  const query = sql<Record<'week' | 'month' | 'three', number>>`
    select ${until(7)} as week, ${until(30)} as month, ${until(90)} as three from (
      select not_after, revoked_at from search_certificates where not_after > ${now} and not_after <= ${now + 90 * DAY}
      order by not_after limit ${capped}) as soon where revoked_at is null`
  const [row] = await found(db, query)
  return [
    { days: 7, count: Number(row?.week ?? 0) },
    { days: 30, count: Number(row?.month ?? 0) },
    { days: 90, count: Number(row?.three ?? 0) },
  ]
}

/** Until when the certificates of authorities are good by which they sign now. */
export async function authorityEnds({ db }: Installation): Promise<{ authority: string; until: Date }[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('authority_certificates as own')
    .innerJoin('authorities', 'authorities.id', 'own.authority_id')
    .select(['authorities.name', 'own.not_after'])
    .where('own.active', '=', 1)
    .where('authorities.enabled', '=', 1)
    // What stands for those of others (foreignAuthority.ts).
    .where('authorities.name', 'not like', '@%')
    .execute()
  return rows.map(({ name, not_after }) => ({ authority: name, until: new Date(not_after) }))
}
