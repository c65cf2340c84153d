import { type Selectable, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { closeAlerts, raiseAlert } from '../audit/alert.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { storable } from '../text.ts'
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

export const LEASE = 30_000
/** After so many attempts it is found out whether the endpoint takes the next message, and so minds this one alone. */
const DOUBTS = 5
const FIRST_PAUSE = 10_000
const LONGEST_PAUSE = 86_400_000

/** How long to wait after so many attempts that failed. Milliseconds. */
export function pauseAfter(failures: number): number {
  return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures - 1, 20))
}

export type Endpoint = Selectable<CoreTables['webhooks']>
type Delivery = Selectable<CoreTables['webhook_deliveries']>

/** `courier`: who delivers, among all of all nodes. */
export interface Courier {
  it: Installation
  post: PostWebhook
  courier: string
}

/**
 * Delivers to an endpoint that this courier has claimed, in order, until it fails, the time is up or nothing is left; then lets go. What a courier that is
 * gone was about to mark is sent again, with the same id. Answers how many attempts it made. `until`: epoch milliseconds.
 */
export async function serveEndpoint(courier: Courier, endpoint: Endpoint, until: number): Promise<number> {
  const { it } = courier
  for (let attempts = 0; ; ) {
    const head = await nextDelivery(it, endpoint.id)
    if (!head) {
      await letGo(courier, endpoint)
      return attempts
    }
    const error = await attempt(courier, endpoint, head)
    attempts += 1
    const goesOn =
      error === undefined
        ? await markDelivered(courier, endpoint, head)
        : await whenFailed(courier, endpoint, { head, error })
    if (!goesOn) return attempts
    if (it.clock().getTime() > until) {
      await letGo(courier, endpoint)
      return attempts
    }
  }
}

function pendingOf(db: Database, id: number) {
  return withTables<CoreTables>(db)
    .selectFrom('webhook_deliveries')
    .where('webhook_id', '=', id)
    .where(sql<boolean>`status = 'pending'`)
}

/** The oldest that is pending, but those that were set aside and whose time has not come. */
function nextDelivery({ db, clock }: Installation, id: number): Promise<Delivery | undefined> {
  return pendingOf(db, id)
    .selectAll()
    .where(({ or, eb }) => or([eb('not_before', 'is', null), eb('not_before', '<=', clock().getTime())]))
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
}

/** What waits behind another, in order. */
function deliveryBehind(db: Database, { id, webhook_id: webhook }: Delivery): Promise<Delivery | undefined> {
  return pendingOf(db, webhook)
    .selectAll()
    .where('id', '>', id)
    .where('not_before', 'is', null)
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
      .set({ status: 'delivered', attempts: attempts + 1, tried_at: now, last_error: null, not_before: null })
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

/**
 * One that was set aside waits again by itself. Any other holds those behind it, for they are told in order: unless the endpoint takes the next one,
 * and so minds this one alone. Answers whether the courier goes on.
 */
async function whenFailed(courier: Courier, endpoint: Endpoint, failed: Failed): Promise<boolean> {
  const { head } = failed
  if (head.not_before !== null) return waitAside(courier, endpoint, failed)
  const behind = head.attempts + 1 < DOUBTS ? undefined : await deliveryBehind(courier.it.db, head)
  if (!behind) return markFailed(courier, endpoint, [failed])
  const error = await attempt(courier, endpoint, behind)
  if (error !== undefined) return markFailed(courier, endpoint, [failed, { head: behind, error }])
  await markDelivered(courier, endpoint, behind)
  // Due at once: it may have been the last moment of an endpoint that was down.
  return setAside(courier, endpoint, failed, courier.it.clock().getTime())
}

const waitAside = (courier: Courier, endpoint: Endpoint, failed: Failed) =>
  setAside(courier, endpoint, failed, courier.it.clock().getTime() + pauseAfter(failed.head.attempts + 1))

async function setAside(courier: Courier, endpoint: Endpoint, failed: Failed, notBefore: number): Promise<boolean> {
  const { it } = courier
  const at = it.clock()
  const now = at.getTime()
  const goesOn = await transaction(it.db, async (db) => {
    const kept = await keep(db, courier, endpoint, { lease_until: now + LEASE })
    await noteAttempt(db, failed, { now, notBefore })
    await giveUp(db, endpoint, { at, error: failed.error })
    return kept
  })
  const { uuid: webhook } = endpoint
  it.log.warn({ webhook, delivery: failed.head.uuid, reason: failed.error }, 'a webhook does not take one message')
  return goesOn
}

async function noteAttempt(
  db: Database,
  { head, error }: Failed,
  { now, notBefore }: { now: number; notBefore: number | null },
): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('webhook_deliveries')
    .set({ attempts: head.attempts + 1, tried_at: now, last_error: error, not_before: notBefore })
    .where('id', '=', head.id)
    .where('status', '=', 'pending')
    .execute()
}

/** The next attempt is later. */
async function markFailed(courier: Courier, endpoint: Endpoint, failed: [Failed, ...Failed[]]): Promise<false> {
  const { it } = courier
  const [{ head, error }] = failed
  const at = it.clock()
  const now = at.getTime()
  await transaction(it.db, async (db) => {
    const failures = endpoint.failures + 1
    const rest = { lease_owner: null, lease_until: null }
    await keep(db, courier, endpoint, { failures, next_at: now + pauseAfter(failures), ...rest })
    for (const one of failed) await noteAttempt(db, one, { now, notBefore: null })
    await giveUp(db, endpoint, { at, error })
  })
  it.log.warn({ webhook: endpoint.uuid, delivery: head.uuid, reason: error }, 'a webhook does not take what it is sent')
  return false
}

/** What is too old by now is given up, and whoever looks after it is told. */
async function giveUp(db: Database, endpoint: Endpoint, { at, error }: { at: Date; error: string }): Promise<void> {
  const dead = await withTables<CoreTables>(db)
    .updateTable('webhook_deliveries')
    .set((eb) => ({ status: 'dead', last_error: eb.fn.coalesce('last_error', eb.val(error)) }))
    .where('webhook_id', '=', endpoint.id)
    .where(sql<boolean>`status = 'pending'`)
    .where('give_up_at', '<=', at.getTime())
    .returning('id')
    .execute()
  if (dead.length > 0) await raiseAlert(db, at, alertOf(endpoint))
}

function alertOf({ id, name, organization_id: organizationId }: Endpoint) {
  const detail = `deliveries to the webhook ${name} were given up after three days: see why, and deliver them again`
  return { kind: 'webhook_failed', organizationId, subject: { kind: 'webhook', id }, detail } as const
}

/** Nothing is left, unless something came just now, or was set aside. */
async function letGo(courier: Courier, endpoint: Endpoint): Promise<void> {
  const { it } = courier
  await transaction(it.db, async (db) => {
    const now = it.clock().getTime()
    if (!(await keep(db, courier, endpoint, { lease_owner: null, lease_until: null }))) return
    const left = await pendingOf(db, endpoint.id)
      .select((eb) => eb.fn.min<number | null>(eb.fn.coalesce('not_before', eb.val(now))).as('next'))
      .executeTakeFirst()
    const next_at = left?.next ?? null
    await withTables<CoreTables>(db).updateTable('webhooks').set({ next_at }).where('id', '=', endpoint.id).execute()
  })
}
