import { type Selectable, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { auditWebhook } from './webhookAdmin.ts'
import { administeredWebhook, type Endpoint } from './webhookEndpoint.ts'
import { newDelivery, WEBHOOK_PATIENCE } from './webhookOutbox.ts'

export const deliveryStates = ['pending', 'delivered', 'dead'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** One message to a webhook, and what became of it. */
export interface WebhookDelivery {
  uuid: string
  /** WebhookEventType, or ping. */
  type: string
  status: DeliveryState
  attempts: number
  lastError: string | null
  createdAt: Date
  lastAttemptAt: Date | null
  /** As it is sent. */
  body: Record<string, unknown>
}

export interface DeliveryQuery {
  status?: DeliveryState
  /** `next` of the page before. */
  after?: number
  /** 50 when absent, at most 200. */
  limit?: number
}

/** See Webhooks.deliveries. */
export async function listDeliveries(
  { it, requester }: AdminContext,
  uuid: string,
  { status, after, limit = 50 }: DeliveryQuery,
): Promise<{ deliveries: WebhookDelivery[]; next?: number }> {
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) throw new Failure('malformed', 'limit: 1 to 200')
  const { id } = await administeredWebhook(it.db, await actorOf(it.db, requester), uuid)
  let query = withTables<CoreTables>(it.db).selectFrom('webhook_deliveries').selectAll().where('webhook_id', '=', id)
  if (status !== undefined) query = query.where('status', '=', status)
  if (after !== undefined) query = query.where('id', '<', after)
  const rows = await query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute() // prettier-ignore
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { deliveries: page.map(viewDelivery), ...(rows.length > limit && last ? { next: last.id } : {}) }
}

function viewDelivery(row: Selectable<CoreTables['webhook_deliveries']>): WebhookDelivery {
  return {
    uuid: row.uuid,
    type: row.type,
    status: row.status as DeliveryState,
    attempts: row.attempts,
    lastError: row.last_error,
    createdAt: new Date(row.created_at),
    lastAttemptAt: row.tried_at === null ? null : new Date(row.tried_at),
    body: JSON.parse(row.body),
  }
}

/** See Webhooks.redeliver. */
export async function redeliver({ it, requester }: AdminContext, uuid: string, delivery: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const row = await administeredWebhook(db, await actorOf(db, requester), uuid)
    requireAwake(row)
    await wake(db, row, at)
    const found = await withTables<CoreTables>(db)
      .updateTable('webhook_deliveries')
      .set({ status: 'pending', give_up_at: at.getTime() + WEBHOOK_PATIENCE, not_before: null })
      .where('webhook_id', '=', row.id)
      .where('uuid', '=', delivery)
      .returning('id')
      .executeTakeFirst()
    if (!found) throw new Failure('notFound', 'there is no such delivery')
    await auditWebhook(db, { actor: requester, at }, { row, action: 'webhook.redelivered', details: { delivery } })
  })
}

function requireAwake({ enabled, url }: Endpoint): void {
  if (url === null) throw new Failure('conflict', 'this webhook is told nothing: it has no URL')
  if (enabled !== 1) throw new Failure('conflict', 'this webhook is switched off: enable it first')
}

/** What is pending is tried at once. */
async function wake(db: Database, { id }: Endpoint, at: Date): Promise<void> {
  await withTables<CoreTables>(db).updateTable('webhooks').set({ next_at: at.getTime() }).where('id', '=', id).execute()
}

/** See Webhooks.ping. */
export async function ping({ it, requester }: AdminContext, uuid: string): Promise<{ delivery: string }> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const row = await administeredWebhook(db, await actorOf(db, requester), uuid)
    requireAwake(row)
    await wake(db, row, at)
    const tables = withTables<CoreTables>(db)
    const { name: organization } = await tables
      .selectFrom('organizations')
      .select('name')
      .where('id', '=', row.organization_id)
      .executeTakeFirstOrThrow()
    const data = { webhook: row.name }
    const message = newDelivery(at, { type: 'ping', position: null, happened: at.getTime(), organization, data })
    await tables
      .insertInto('webhook_deliveries')
      .values({ ...message, webhook_id: row.id })
      .execute()
    await auditWebhook(
      db,
      { actor: requester, at },
      { row, action: 'webhook.pinged', details: { delivery: message.uuid } },
    ) // prettier-ignore
    return { delivery: message.uuid }
  })
}

const KEPT = 30 * 86_400_000
const BATCH = 1000

/** Forgets what is older than thirty days, but what is still to be delivered: messages, and answers to decisions. */
export async function forgetDeliveries({ db, clock }: Installation): Promise<void> {
  const before = clock().getTime() - KEPT
  for (let gone = BATCH; gone === BATCH; ) {
    gone = await transaction(db, async (db) => {
      const tables = withTables<CoreTables>(db)
      const old = tables
        .selectFrom('webhook_deliveries')
        .select('id')
        .where('created_at', '<', before)
        .where('status', '!=', 'pending')
        .limit(BATCH)
      return (await tables.deleteFrom('webhook_deliveries').where('id', 'in', old).returning('id').execute()).length
    })
  }
  await transaction(db, async (db) => {
    await withTables<CoreTables>(db)
      .deleteFrom('webhook_answers')
      .where('created_at', '<', before)
      .where(sql<boolean>`answer != ''`)
      .execute()
  })
}
