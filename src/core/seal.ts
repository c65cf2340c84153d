import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import type { AuditReport } from './admin.ts'
import { canonicalJson } from './canonicalJson.ts'
import type { CoreTables } from './tables.ts'

/** On PostgreSQL ids are given before the commit: how far back a commit that came late may lie. */
const lateCommits = 5_000

const origin = createHash('sha256').update('countersign audit chain').digest('hex')

interface Event {
  id: number
  at: number
  organization_id: number | null
  action: string
  subject_kind: string
  subject_id: number | null
  status: string | null
  actor: string
  source_address: string | null
  details: string
}

/** The next link: SHA-256, in hex, over the hash before and the event's canonical JSON. */
function link(before: string, event: Event): string {
  return createHash('sha256').update(before).update('\n').update(canonicalJson(event)).digest('hex')
}

/** Gives every event that has none its place in the chain, at most `limit` of them. Returns how many. Several nodes may call it at once. */
export async function sealAudit(db: Database, limit = 500): Promise<number> {
  if (!(await anyUnsealed(db))) return 0
  return transaction(db, async (db) => {
    if (db.dialect === 'postgres') await sql`select pg_advisory_xact_lock(7214, 1)`.execute(withTables<CoreTables>(db))
    const tables = withTables<CoreTables>(db)
    const last = await tables
      .selectFrom('audit_seals')
      .selectAll()
      .orderBy('position', 'desc')
      .limit(1)
      .executeTakeFirst()
    const events = await unsealed(db, limit)
    let position = last?.position ?? 0
    let hash = last?.hash ?? origin
    const seals = events.map((event) => {
      position += 1
      hash = link(hash, event)
      return { position, event_id: event.id, hash }
    })
    if (seals.length > 0) await tables.insertInto('audit_seals').values(seals).execute()
    return seals.length
  })
}

async function anyUnsealed(db: Database): Promise<boolean> {
  return (await unsealed(db, 1)).length > 0
}

async function unsealed(db: Database, limit: number): Promise<Event[]> {
  const tables = withTables<CoreTables>(db)
  const last = await tables
    .selectFrom('audit_seals')
    .select((eb) => eb.fn.max('event_id').as('id'))
    .executeTakeFirst()
  const from = (last?.id ?? 0) - (db.dialect === 'postgres' ? lateCommits : 0)
  return tables
    .selectFrom('audit_events')
    .selectAll('audit_events')
    .where('audit_events.id', '>', from)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(selectFrom('audit_seals').select('position').whereRef('audit_seals.event_id', '=', 'audit_events.id')),
      ),
    )
    .orderBy('audit_events.id')
    .limit(limit)
    .execute()
}

/** Proves the chain from its first link, and that no request or certificate stands in a state that no event tells of. */
export async function verifyAudit(db: Database): Promise<AuditReport> {
  const tables = withTables<CoreTables>(db)
  const problems: string[] = []
  let position = 0
  let hash = origin
  for (;;) {
    const links = await tables
      .selectFrom('audit_seals')
      .leftJoin('audit_events', 'audit_events.id', 'audit_seals.event_id')
      .select(['audit_seals.position', 'audit_seals.hash', 'audit_seals.event_id'])
      .selectAll('audit_events')
      .where('position', '>', position)
      .orderBy('position')
      .limit(1000)
      .execute()
    for (const { position: place, hash: stored, event_id, ...event } of links) {
      if (place !== position + 1) problems.push(`the chain has no link ${position + 1}`)
      position = place
      if (event.id === null) problems.push(`link ${place}: event ${event_id} is gone`)
      else if (link(hash, event as Event) !== stored)
        problems.push(`link ${place}: event ${event_id} was changed, or a link before it`)
      hash = stored
    }
    if (links.length < 1000 || problems.length > 100) break
  }
  problems.push(...(await silentChanges(db)))
  const { count } = await tables
    .selectFrom('audit_events')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  const { sealed } = await tables
    .selectFrom('audit_seals')
    .select((eb) => eb.fn.countAll<number>().as('sealed'))
    .executeTakeFirstOrThrow()
  return { sealed: Number(sealed), unsealed: Number(count) - Number(sealed), problems }
}

const stated = [
  { table: 'sign_requests', kind: 'sign_request' },
  { table: 'revoke_requests', kind: 'revoke_request' },
] as const

/** Records whose status is not the one that their last event told. */
async function silentChanges(db: Database): Promise<string[]> {
  const problems: string[] = []
  for (const { table, kind } of stated) {
    const rows = await withTables<CoreTables>(db)
      .selectFrom(table)
      .select(['id', 'status', lastStatus(kind, table).as('told')])
      .where((eb) => eb(eb.fn.coalesce(lastStatus(kind, table), sql.lit('')), '<>', eb.ref('status')))
      .limit(100)
      .execute()
    for (const { id, status, told } of rows)
      problems.push(`${kind} ${id} is ${status}, its last event says ${told ?? 'nothing'}`)
  }
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select(['id', 'status', lastStatus('certificate', 'certificates').as('told')])
    .where((eb) =>
      eb(eb.fn.coalesce(lastStatus('certificate', 'certificates'), sql.lit('issued')), '<>', eb.ref('status')),
    )
    .limit(100)
    .execute()
  for (const { id, status, told } of rows)
    problems.push(`certificate ${id} is ${status}, its last event says ${told ?? 'nothing'}`)
  return problems
}

function lastStatus(kind: string, table: string) {
  return sql<
    string | null
  >`(select e.status from audit_events e where e.subject_kind = ${kind} and e.subject_id = ${sql.ref(`${table}.id`)} and e.status is not null order by e.id desc limit 1)`
}
