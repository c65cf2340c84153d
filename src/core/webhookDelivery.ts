import { type Selectable, sql } from 'kysely'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { closeAlerts, raiseAlert } from './alert.ts'
import type { Installation } from './installation.ts'
import type { CoreTables } from './tables.ts'
import { storable } from './text.ts'
import { SIGNATURE_HEADER, signWebhook } from './webhookSignature.ts'

export const DELIVERY_HEADER = 'x-countersign-delivery'
export const EVENT_HEADER = 'x-countersign-event'

/** The additional data of the seal: a sealed secret opens in its own row and for its own use alone. */
export const OUTBOUND_SEAL = 'webhook'

/** A POST that is answered with a status of 200 to 299; composed outside the core. Rejects when that is not so for sure, and may be asked again. */
export type PostWebhook = (message: {
  url: string
  ca?: string | undefined
  headers: Record<string, string>
  body: string
}) => Promise<void>

const LEASE = 30_000
/** For how long one call goes on with one endpoint. */
const SPELL = 5_000
const FIRST_PAUSE = 10_000
const LONGEST_PAUSE = 86_400_000

/** How long to wait after so many attempts that failed. Milliseconds. */
export function pauseAfter(failures: number): number {
  return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures - 1, 20))
}

type Endpoint = Selectable<CoreTables['webhooks']>
type Delivery = Selectable<CoreTables['webhook_deliveries']>

/** `courier`: who delivers, among all of all nodes. */
interface Courier {
  it: Installation
  post: PostWebhook
  courier: string
}

/**
 * Delivers to one endpoint after the other, as long as something is due: to each in order, and by one courier at a time. What a courier that is gone was
 * about to mark is sent again, with the same id. Answers how many attempts it made.
 */
export async function deliverDue(it: Installation, post: PostWebhook, part = ''): Promise<number> {
  const courier: Courier = { it, post, courier: `${it.node} ${part}` }
  const until = it.clock().getTime() + SPELL
  for (let attempts = 0; ; ) {
    const endpoint = await claim(courier)
    if (!endpoint) return attempts
    attempts += await serve(courier, endpoint, until)
    if (it.clock().getTime() > until) return attempts
  }
}

/** Takes the endpoint that waits longest, for itself alone. */
async function claim({ it, courier }: Courier): Promise<Endpoint | undefined> {
  const now = it.clock().getTime()
  const due = await dueEndpoints(it.db, now)
  for (const { id } of due) {
    const claimed = await transaction(it.db, (db) =>
      free(withTables<CoreTables>(db).updateTable('webhooks'), now)
        .set({ lease_owner: courier, lease_until: now + LEASE })
        .where('id', '=', id)
        .where('enabled', '=', 1)
        .where('next_at', '<=', now)
        .returningAll()
        .executeTakeFirst(),
    )
    if (claimed) return claimed
  }
  return undefined
}

function dueEndpoints(db: Database, now: number): Promise<{ id: number }[]> {
  return free(withTables<CoreTables>(db).selectFrom('webhooks'), now)
    .select('id')
    .where('enabled', '=', 1)
    .where('next_at', '<=', now)
    .orderBy('next_at')
    .limit(20)
    .execute()
}

function free<Q extends { where(condition: ReturnType<typeof unleased>): Q }>(query: Q, now: number): Q {
  return query.where(unleased(now))
}

const unleased = (now: number) => sql<boolean>`(lease_until is null or lease_until <= ${now})`

/** Delivers what is pending, until it fails, the time is up or nothing is left; then lets go. */
async function serve(courier: Courier, endpoint: Endpoint, until: number): Promise<number> {
  const { it } = courier
  for (let attempts = 0; ; ) {
    const head = await oldestPending(it.db, endpoint.id)
    if (!head) {
      await letGo(courier, endpoint)
      return attempts
    }
    const error = await attempt(courier, endpoint, head)
    attempts += 1
    const goesOn =
      error === undefined
        ? await markDelivered(courier, endpoint, head)
        : await markFailed(courier, endpoint, { head, error })
    if (!goesOn) return attempts
    if (it.clock().getTime() > until) {
      await letGo(courier, endpoint)
      return attempts
    }
  }
}

function oldestPending(db: Database, id: number): Promise<Delivery | undefined> {
  return withTables<CoreTables>(db)
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('webhook_id', '=', id)
    .where(sql<boolean>`status = 'pending'`)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
}

/** What went wrong; undefined: it arrived. */
async function attempt({ it, post }: Courier, endpoint: Endpoint, { uuid, type, body }: Delivery) {
  try {
    const { url, ca } = endpoint
    if (url === null) throw new Error('there is no address to send it to')
    await post({ url, ca: ca ?? undefined, headers: headersOf(it, endpoint, { uuid, type, body }), body })
    return undefined
  } catch (error) {
    return storable(error instanceof Error ? error.message : String(error)).slice(0, 500)
  }
}

/** While a secret is changed, both sign. */
function headersOf(
  it: Installation,
  { uuid: of, secret, secret_before, before_until }: Endpoint,
  { uuid, type, body }: Pick<Delivery, 'uuid' | 'type' | 'body'>,
): Record<string, string> {
  const at = it.clock()
  const open = (sealed: Buffer) => it.vault.open(sealed, of, OUTBOUND_SEAL)
  const signed = signWebhook(open(secret), body, at)
  const before =
    secret_before !== null && (before_until ?? 0) > at.getTime()
      ? [signWebhook(open(secret_before), body, at)[SIGNATURE_HEADER]]
      : []
  return {
    ...signed,
    [SIGNATURE_HEADER]: [signed[SIGNATURE_HEADER], ...before].join(','),
    [DELIVERY_HEADER]: uuid,
    [EVENT_HEADER]: type,
  }
}

/** Whether the courier still has the endpoint, for another lease. Its row is locked from here on. */
async function keep(db: Database, { courier }: Courier, { id }: Endpoint, set: Partial<Endpoint>): Promise<boolean> {
  const kept = await withTables<CoreTables>(db)
    .updateTable('webhooks')
    .set(set)
    .where('id', '=', id)
    .where('lease_owner', '=', courier)
    .returning('enabled')
    .executeTakeFirst()
  return kept?.enabled === 1
}

async function markDelivered(courier: Courier, endpoint: Endpoint, { id, attempts }: Delivery): Promise<boolean> {
  const { it } = courier
  const at = it.clock()
  const now = at.getTime()
  return transaction(it.db, async (db) => {
    const goesOn = await keep(db, courier, endpoint, { failures: 0, next_at: now, lease_until: now + LEASE })
    await withTables<CoreTables>(db)
      .updateTable('webhook_deliveries')
      .set({ status: 'delivered', attempts: attempts + 1, tried_at: now, last_error: null })
      .where('id', '=', id)
      .where('status', '=', 'pending')
      .execute()
    if (endpoint.failures > 0) await closeAlerts(db, at, alertOf(endpoint))
    endpoint.failures = 0
    return goesOn
  })
}

interface Failed {
  head: Delivery
  error: string
}

/** The next attempt is later; what is too old by now is given up, and whoever looks after it is told. */
async function markFailed(courier: Courier, endpoint: Endpoint, { head, error }: Failed): Promise<false> {
  const { it } = courier
  const at = it.clock()
  const now = at.getTime()
  await transaction(it.db, async (db) => {
    const failures = endpoint.failures + 1
    const rest = { lease_owner: null, lease_until: null }
    await keep(db, courier, endpoint, { failures, next_at: now + pauseAfter(failures), ...rest })
    const tables = withTables<CoreTables>(db)
    await tables
      .updateTable('webhook_deliveries')
      .set({ attempts: head.attempts + 1, tried_at: now, last_error: error })
      .where('id', '=', head.id)
      .where('status', '=', 'pending')
      .execute()
    const dead = await tables
      .updateTable('webhook_deliveries')
      .set((eb) => ({ status: 'dead', last_error: eb.fn.coalesce('last_error', eb.val(error)) }))
      .where('webhook_id', '=', endpoint.id)
      .where(sql<boolean>`status = 'pending'`)
      .where('give_up_at', '<=', now)
      .returning('id')
      .execute()
    if (dead.length > 0) await raiseAlert(db, at, alertOf(endpoint))
  })
  it.log.warn({ webhook: endpoint.uuid, delivery: head.uuid, reason: error }, 'a webhook does not take what it is sent')
  return false
}

function alertOf({ id, name, organization_id: organizationId }: Endpoint) {
  const detail = `deliveries to the webhook ${name} were given up after three days: see why, and deliver them again`
  return { kind: 'webhook_failed', organizationId, subject: { kind: 'webhook', id }, detail } as const
}

/** Nothing is left, unless something came just now. */
async function letGo(courier: Courier, endpoint: Endpoint): Promise<void> {
  const { it } = courier
  await transaction(it.db, async (db) => {
    const now = it.clock().getTime()
    if (!(await keep(db, courier, endpoint, { lease_owner: null, lease_until: null }))) return
    const next_at = (await oldestPending(db, endpoint.id)) ? now : null
    await withTables<CoreTables>(db).updateTable('webhooks').set({ next_at }).where('id', '=', endpoint.id).execute()
  })
}
