import { sql } from 'kysely'
import { TookTooLong } from '../../db/apart.ts'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type Actor, type AdminContext, actorOf, isSuperuser, seesOrganization } from '../adminActor.ts'
import { waitingFor } from '../approval/waitingFor.ts'
import type { LifetimeView } from '../ocsp/lifetime.ts'
import { viewLifetimes } from '../ocsp/lifetimeView.ts'
import { readerOf } from '../request/requestReader.ts'
import { type FoundRequest, requestRows } from '../search/searchRows.ts'
import type { CoreTables } from '../tables.ts'
import { type Counted, type Expiring, expiring } from './expiring.ts'
import { type DailyOrders, dailyOrders, followOrders } from './orderCounts.ts'

const MOST_WAITING = 100
const SHOWN = 10
const MOST_ALERTS = 1_000
const PERIOD = 30

export interface AuthorityHealth {
  uuid: string
  name: string
  kind: string
  enabled: boolean
  /** When its active certificate ends; null: it has none, or more than one of an upstream CA. */
  notAfter: Date | null
  /** Its CRLs, delta CRLs and responders, also under earlier certificates. */
  lifetimes: LifetimeView[]
}

/** What somebody sees first. Each part is as far as he may see. */
export interface Overview {
  /** Requests on which he may vote now, and the newest ten of them. */
  waiting: Counted & { newest: FoundRequest[] }
  /** Certificates that end within so many days, each with those before; null while lists are being made, and where counting took too long. */
  expiring: Expiring | null
  /** Of the last 30 days, today among them; a day and protocol without any is left out. A second or two behind. */
  orders: DailyOrders[]
  authorities: AuthorityHealth[]
  /** Open ones; null for who does not administer. */
  alerts: Counted | null
}

/** See Door.overview. Throws Failure('forbidden') for who is no user. */
export async function overview(context: AdminContext): Promise<Overview> {
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  await followOrders(it.db, 5)
  const reader = await readerOf(it.db, requester, it.clock())
  const [waiting, expiring, orders, authorities, alerts] = await Promise.all([
    waitingOf(context, actor),
    expiringOf(context),
    dailyOrders(it.db, reader, { now: it.clock(), days: PERIOD }),
    healthOf(context, actor),
    alertsOf(it.db, actor),
  ])
  return { waiting, expiring, orders, authorities, alerts }
}

async function waitingOf({ it }: AdminContext, { user }: Actor): Promise<Overview['waiting']> {
  if (!user) return { count: 0, atLeast: false, newest: [] }
  const { requests, atLeast } = await waitingFor(it.db, user, { at: it.clock(), most: MOST_WAITING })
  const shown = requests.slice(0, SHOWN)
  const idsOf = (kind: string) => shown.filter((one) => one.kind === kind).map(({ id }) => id)
  const rows = [
    ...(await requestRows(it, 'sign', idsOf('sign'))),
    ...(await requestRows(it, 'revoke', idsOf('revoke'))),
  ]
  const newest = shown.flatMap(({ kind, id }) => rows.find((row) => row.kind === kind && row.id === id) ?? [])
  return { count: requests.length, atLeast, newest }
}

async function expiringOf({ it, requester }: AdminContext): Promise<Overview['expiring']> {
  try {
    return (await expiring(it, requester)) ?? null
  } catch (error) {
    if (error instanceof TookTooLong) return null
    throw error
  }
}

async function healthOf(context: AdminContext, actor: Actor): Promise<AuthorityHealth[]> {
  const { db } = context.it
  const rows = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .leftJoin('authority_certificates as active', (join) =>
      join.onRef('active.authority_id', '=', 'authorities.id').on('active.active', '=', 1),
    )
    .select(['authorities.id', 'uuid', 'name', 'kind', 'enabled', 'organization_id', 'active.not_after'])
    // What stands for those of others (foreignAuthority.ts) is nobody's to see.
    .where('authorities.name', 'not like', '@%')
    .orderBy('authorities.name')
    .execute()
  const lifetimes = await viewLifetimes(context)
  return rows
    .filter(({ organization_id }) => seesOrganization(actor, organization_id))
    .map(({ id, uuid, name, kind, enabled, not_after }) => ({
      uuid,
      name,
      kind,
      enabled: enabled === 1,
      notAfter: not_after === null ? null : new Date(not_after),
      lifetimes: lifetimes.filter(({ authorityId }) => authorityId === id),
    }))
}

async function alertsOf(db: Database, actor: Actor): Promise<Counted | null> {
  if (!isSuperuser(actor) && !actor.user?.admin) return null
  let query = withTables<CoreTables>(db)
    .selectFrom('alerts')
    .select('id')
    // In the words of the partial index.
    .where(sql<boolean>`closed_at is null`)
    .limit(sql.lit(MOST_ALERTS + 1))
  if (!isSuperuser(actor) && actor.user) query = query.where('organization_id', '=', actor.user.organizationId)
  const found = (await query.execute()).length
  return { count: Math.min(found, MOST_ALERTS), atLeast: found > MOST_ALERTS }
}
