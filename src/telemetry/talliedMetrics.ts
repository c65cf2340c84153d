import { waits } from '../core/measure.ts'
import type { CoreTables } from '../core/tables.ts'
import { type Database, statementCount } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { BETWEEN, buckets, connectionCount, tallies } from '../db/tally.ts'
import type { GaugeValue, Metrics } from '../metrics.ts'
import type { Series } from './histogramText.ts'

/** So many profiles have a name of their own in labels, those with the most orders; all further ones together are "other". */
export const NAMED_PROFILES = 100

/** What this process has counted as it went along (src/db/tally.ts): orders, revocations, stages, OCSP answers, logins, and the database itself. */
export function exposeTallies(metrics: Metrics, db: Database): void {
  const orders = profileNames(db)
  metrics.counters(
    'sign_requests_total',
    'Orders by what became of them: asked is each new one, waiting one that people are asked about, passed one that rules or people let pass; refused was thrown back by policy and unavailable by trouble here, and neither is asked',
    ['protocol', 'profile', 'action', 'outcome'],
    () => requestCounts(db, 'sign_request', orders),
  )
  metrics.counters(
    'revoke_requests_total',
    'Requests to revoke by what became of them, as sign_requests_total',
    ['protocol', 'profile', 'reason', 'outcome'],
    () => requestCounts(db, 'revoke_request', orders),
  )
  metrics.counters(
    'ocsp_answers_total',
    'OCSP answers by what they say, and whether they were kept or made anew',
    ['says', 'made'],
    async () => valuesOf(db, 'ocsp'),
  )
  metrics.counters(
    'logins_total',
    'Passwords and one-time secrets that were shown: accepted, refused, limited (not looked at after too many), unavailable',
    ['outcome'],
    async () => valuesOf(db, 'login'),
  )
  metrics.histograms({
    name: 'stage_duration_seconds',
    help: 'How long parts of orders took: policy (and rules), record (stored with its decision), sign (lint and signature), store (the certificate)',
    labels: ['stage', 'protocol'],
    ends: buckets,
    read: () => durationsOf(db, 'stage'),
  })
  metrics.histograms({
    name: 'approval_wait_seconds',
    help: 'How long requests had been there when people, or time, decided on them',
    labels: ['protocol', 'outcome'],
    ends: waits,
    read: () => durationsOf(db, 'wait'),
  })
  metrics.histograms({
    name: 'database_commit_duration_seconds',
    help: 'From the begin of a transaction to the end of its commit; on SQLite of a group of them',
    labels: [],
    ends: buckets,
    read: () => durationsOf(db, 'commit'),
  })
  countDatabase(metrics, db)
}

function countDatabase(metrics: Metrics, db: Database): void {
  const { derived } = metrics
  derived('database_statements_total', 'SQL statements run', () => statementCount(db).statements)
  derived('database_statement_seconds_total', 'Time in which SQL statements ran', () => statementCount(db).seconds)
  derived('database_commits_total', 'Transactions committed', () => statementCount(db).commits)
  if (!connectionCount(db)) return
  metrics.gauges(
    'database_connections',
    'Connections of this process to PostgreSQL, or the one by which SQLite writes; waiting: what waits for one',
    ['state'],
    async () => Object.entries(connectionCount(db) ?? {}).map(([state, value]) => ({ labels: [state], value })),
  )
}

/** What stands behind the first member of a key, as labels. */
function valuesOf(db: Database, name: string): GaugeValue[] {
  const begin = name + BETWEEN
  const found: GaugeValue[] = []
  for (const [key, value] of tallies(db).tallies)
    if (key.startsWith(begin)) found.push({ labels: key.slice(begin.length).split(BETWEEN), value })
  return found
}

function durationsOf(db: Database, name: string): Series[] {
  return [...tallies(db).durations].flatMap(([key, { counts, sum }]) => {
    const [first, ...labels] = key.split(BETWEEN)
    return first === name ? [{ labels, counts, sum }] : []
  })
}

async function requestCounts(
  db: Database,
  kind: string,
  names: (ids: string[]) => Promise<Map<string, string>>,
): Promise<GaugeValue[]> {
  const all = valuesOf(db, kind)
  const most = new Map<string, number>()
  for (const { labels, value } of all) most.set(labels[1] ?? '', (most.get(labels[1] ?? '') ?? 0) + value)
  const named = [...most]
    .sort(([, a], [, b]) => b - a)
    .slice(0, NAMED_PROFILES)
    .map(([id]) => id)
  const nameOf = await names(named)
  const sums = new Map<string, GaugeValue>()
  for (const {
    labels: [protocol = '', id = '', what = '', outcome = ''],
    value,
  } of all) {
    const labels = [protocol, nameOf.get(id) ?? (id === '' ? 'none' : 'other'), what || 'none', outcome]
    const key = labels.join(BETWEEN)
    const known = sums.get(key)
    if (known) known.value += value
    else sums.set(key, { labels, value })
  }
  return [...sums.values()]
}

/** Names of profiles by their ids. Each is read once; so a new name shows after the next start. */
function profileNames(db: Database): (ids: string[]) => Promise<Map<string, string>> {
  const known = new Map<string, string>()
  return async (ids) => {
    const strangers = ids.filter((id) => id !== '' && !known.has(id)).map(Number)
    if (strangers.length > 0) {
      const rows = await withTables<CoreTables>(db)
        .selectFrom('ra_profiles')
        .select(['id', 'name'])
        .where('id', 'in', strangers)
        .execute()
      for (const { id, name } of rows) known.set(String(id), name)
    }
    return new Map(ids.flatMap((id) => (known.has(id) ? [[id, known.get(id) ?? '']] : [])))
  }
}
