import { randomBytes } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Installation } from '../installation.ts'
import { openRevoke, openSign } from '../request/openRequests.ts'
import type { CoreTables } from '../tables.ts'

/** Longer than one exchange with a CA takes, with its retries, and than the DNS command may run; each step begins it anew. */
const leaseMilliseconds = 120_000
const atOnce = 16

/** What one process does at an upstream CA for one request, as long as its lease lasts. */
export interface Work {
  id: number
  kind: 'sign' | 'revoke'
  requestId: number
  authorityId: number
  orderUrl: string | undefined
  /** The CA was asked to issue. */
  finalized: boolean
  tries: number
  /** Names the lease. */
  owner: string
  /** What the request is now: anything but `signing` and `revoking` means that nobody waits any more. */
  status: string
}

const upstreamAuthorities = statement((tables: Kysely<CoreTables>) =>
  tables.selectFrom('authorities').select('id').where('kind', '=', 'acme'),
)

/** Stores work for approved requests of authorities upstream that have none yet. Answers whether there is any such authority. */
export async function findWork(it: Installation): Promise<boolean> {
  const { rows: upstream } = await upstreamAuthorities(it.db)
  if (upstream.length === 0) return false
  const tables = withTables<CoreTables>(it.db)
  const ids = upstream.map(({ id }) => id)
  const signing = await tables
    .selectFrom('sign_requests')
    .leftJoin('upstream_work', 'upstream_work.sign_request_id', 'sign_requests.id')
    .select(['sign_requests.id', 'sign_requests.authority_id'])
    .where(openSign)
    .where('sign_requests.status', '=', 'signing')
    .where('sign_requests.authority_id', 'in', ids)
    .where('sign_requests.csr', 'is not', null)
    .where('upstream_work.id', 'is', null)
    .limit(100)
    .execute()
  const revoking = await tables
    .selectFrom('revoke_requests')
    .leftJoin('upstream_work', 'upstream_work.revoke_request_id', 'revoke_requests.id')
    .select(['revoke_requests.id', 'revoke_requests.authority_id'])
    .where(openRevoke)
    .where('revoke_requests.status', '=', 'revoking')
    .where('revoke_requests.authority_id', 'in', ids)
    .where('upstream_work.id', 'is', null)
    .limit(100)
    .execute()
  const at = it.clock().getTime()
  const rows = [
    ...signing.map(({ id, authority_id }) => ({ sign_request_id: id, revoke_request_id: null, authority_id })),
    ...revoking.map(({ id, authority_id }) => ({ sign_request_id: null, revoke_request_id: id, authority_id })),
  ].map((row) => ({ ...row, order_url: null, next_at: at, lease_owner: null, lease_until: null, created_at: at }))
  if (rows.length > 0)
    await transaction(it.db, (db) =>
      withTables<CoreTables>(db)
        .insertInto('upstream_work')
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    )
  return true
}

/** Takes what is due, each under a lease of its own. Several nodes may call it at once. */
export async function claimWork(it: Installation): Promise<Work[]> {
  const now = it.clock().getTime()
  const due = await withTables<CoreTables>(it.db)
    .selectFrom('upstream_work')
    .leftJoin('sign_requests', 'sign_requests.id', 'upstream_work.sign_request_id')
    .leftJoin('revoke_requests', 'revoke_requests.id', 'upstream_work.revoke_request_id')
    .select(['upstream_work.id', 'upstream_work.sign_request_id', 'upstream_work.revoke_request_id'])
    .where('upstream_work.next_at', '<=', now)
    .where(({ or, eb }) => or([eb('lease_until', 'is', null), eb('lease_until', '<=', now)]))
    // Given up here, it keeps its order for the case that somebody tries again.
    .where(sql<boolean>`coalesce(sign_requests.status, revoke_requests.status) <> 'failed'`)
    .orderBy('upstream_work.next_at')
    .limit(atOnce)
    .execute()
  const claimed: Work[] = []
  for (const row of due) {
    const work = await transaction(it.db, (db) => claim(db, it, row))
    if (work) claimed.push(work)
  }
  return claimed
}

interface Due {
  id: number
  sign_request_id: number | null
  revoke_request_id: number | null
}

/** The request's row is locked: who withdraws it at the same moment sees the lease, or his withdrawal is seen here. */
async function claim(db: Database, it: Installation, due: Due): Promise<Work | undefined> {
  const kind = due.sign_request_id === null ? 'revoke' : 'sign'
  const requestId = due.sign_request_id ?? due.revoke_request_id ?? 0
  const tables = withTables<CoreTables>(db)
  const request = await forUpdate(
    db,
    tables
      .selectFrom((kind === 'sign' ? 'sign_requests' : 'revoke_requests') as 'sign_requests')
      .select('status')
      .where('id', '=', requestId),
  ).executeTakeFirst()
  const now = it.clock().getTime()
  const owner = `${it.node}.${randomBytes(4).toString('hex')}`
  const row = await tables
    .updateTable('upstream_work')
    .set({ lease_owner: owner, lease_until: now + leaseMilliseconds })
    .where('id', '=', due.id)
    .where(({ or, eb }) => or([eb('lease_until', 'is', null), eb('lease_until', '<=', now)]))
    .returningAll()
    .executeTakeFirst()
  if (!request || !row) return undefined
  return {
    id: row.id,
    kind,
    requestId,
    authorityId: row.authority_id,
    orderUrl: row.order_url ?? undefined,
    finalized: row.finalized === 1,
    tries: row.tries,
    owner,
    status: request.status,
  }
}

/** Another process has taken over: this one stores nothing more. */
export class Overtaken extends Error {}

/** Begins the lease anew and changes what is stored, in the caller's transaction. Throws Overtaken. */
export async function keepWork(
  db: Database,
  it: Installation,
  work: Work,
  change: { order_url?: string | null; finalized?: 0 | 1 } = {},
): Promise<void> {
  const kept = await withTables<CoreTables>(db)
    .updateTable('upstream_work')
    .set({ ...change, lease_until: it.clock().getTime() + leaseMilliseconds })
    .where('id', '=', work.id)
    .where('lease_owner', '=', work.owner)
    .returning('id')
    .executeTakeFirst()
  if (!kept) throw new Overtaken('another process goes on with this')
}

/** Gives the lease back until the next look, `seconds` from now. */
export async function restWork(
  db: Database,
  it: Installation,
  work: Work,
  { seconds, tries }: { seconds: number; tries: number },
): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('upstream_work')
    .set({ lease_owner: null, lease_until: null, tries, next_at: it.clock().getTime() + seconds * 1000 })
    .where('id', '=', work.id)
    .where('lease_owner', '=', work.owner)
    .execute()
}

/** There is nothing more to do, in the caller's transaction. Throws Overtaken. */
export async function endWork(db: Database, it: Installation, work: Work): Promise<void> {
  await keepWork(db, it, work)
  const tables = withTables<CoreTables>(db)
  await tables.deleteFrom('upstream_proofs').where('work_id', '=', work.id).execute()
  await tables.deleteFrom('upstream_work').where('id', '=', work.id).execute()
}

/** Somebody wants the next look now, in his transaction. */
export async function hurryWork(db: Database, kind: 'sign' | 'revoke', requestId: number, at: Date): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('upstream_work')
    .set({ next_at: at.getTime() })
    .where(kind === 'sign' ? 'sign_request_id' : 'revoke_request_id', '=', requestId)
    .where('next_at', '>', at.getTime())
    .execute()
}

/** Ends the leases of a process that is gone. Only where this process is the only one: at start on SQLite. */
export async function endUpstreamLeases(db: Database): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('upstream_work')
    .set({ lease_owner: null, lease_until: null })
    .where('lease_owner', 'is not', null)
    .execute()
}
