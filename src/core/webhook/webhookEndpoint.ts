import type { Selectable } from 'kysely'
import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import {
  type Actor,
  type AdminContext,
  actorOf,
  organizationFor,
  requireAdministrator,
  seesOrganization,
} from '../adminActor.ts' // prettier-ignore
import { Failure } from '../failure.ts'
import { webhookSettings } from '../inventory/location.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { random } from '../uuid.ts'
import { type WebhookEventType, webhookEventTypes } from './webhookEvent.ts'

export type Endpoint = Selectable<CoreTables['webhooks']>

/** A webhook as its administrators see it: never a secret. */
export interface Webhook {
  uuid: string
  name: string
  /** Null: it is told nothing, and only decides. */
  url: string | null
  /** PEM of the certificates that its certificate may be issued by; null: those that the system trusts. */
  ca: string | null
  events: WebhookEventType[]
  /** Names of the RA profiles of whose requests it is told; null: all. */
  profiles: string[] | null
  csr: boolean
  enabled: boolean
  /** The user whose votes its decisions are; null: it decides nothing. */
  decidesAs: string | null
  createdAt: Date
  /** Attempts that failed since the last that did not. */
  failures: number
  /** When what is pending is tried next. */
  nextAttemptAt: Date | null
  pending: number
  dead: number
  /** Until when the secret before signs too. */
  rotatingUntil: Date | null
}

const { url, ca } = webhookSettings.shape
const fields = {
  url: url.nullable(),
  ca: ca.unwrap().nullable(),
  events: z.array(z.enum(webhookEventTypes)).max(webhookEventTypes.length),
  profiles: z.array(text(100)).min(1).max(100).nullable(),
  csr: z.boolean(),
  enabled: z.boolean(),
}

export const webhookDraft = z.strictObject({
  name: text(100),
  url: fields.url.default(null),
  ca: fields.ca.default(null),
  events: fields.events.default([]),
  profiles: fields.profiles.default(null),
  /** The request in `requested`, DER in base64. */
  csr: fields.csr.default(false),
  enabled: fields.enabled.default(true),
  /** Name for a new user, whose votes the decisions are that come from there; absent: it decides nothing. */
  decidesAs: text(99).optional(),
})
export type WebhookDraft = z.input<typeof webhookDraft>

/** What is absent stays. */
export const webhookChange = z.strictObject(fields).partial()
export type WebhookChange = z.input<typeof webhookChange>

/** Throws Failure('malformed') for what is not as the schema says. */
export function readWebhook<T>(schema: z.ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Failure('malformed', `${issue?.path.join('.') ?? ''}: ${issue?.message}`)
}

/** 43 characters of base64url: the octets of this text are the key of the HMAC. */
export const newWebhookSecret = (): string => Buffer.from(random(32)).toString('base64url')

/** A webhook, for its administrator. Throws Failure: notFound alike for none and one of another organization, forbidden. */
export async function administeredWebhook(db: Database, actor: Actor, uuid: string): Promise<Endpoint> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('webhooks')
    .selectAll()
    .where('uuid', '=', uuid)
    .executeTakeFirst()
  if (!row || !seesOrganization(actor, row.organization_id)) throw noWebhook()
  requireAdministrator(actor, row.organization_id)
  return row
}

export function noWebhook(): Failure {
  return new Failure('notFound', 'there is no such webhook')
}

/** The ids of profiles of an organization, as JSON. Throws Failure('notFound'). */
export async function profileIds(db: Database, organizationId: number, names: string[] | null): Promise<string | null> {
  if (names === null) return null
  const rows = await withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .select(['id', 'name'])
    .where('organization_id', '=', organizationId)
    .where('name', 'in', names)
    .execute()
  const missing = names.find((name) => !rows.some((row) => row.name === name))
  if (missing !== undefined) throw new Failure('notFound', `there is no profile ${missing}`)
  return JSON.stringify(rows.map(({ id }) => id).sort((a, b) => a - b))
}

/** See Webhooks.list. */
export async function listWebhooks({ it, requester }: AdminContext, organization?: string): Promise<Webhook[]> {
  const actor = await actorOf(it.db, requester)
  const { id } = await organizationFor(it.db, actor, organization)
  requireAdministrator(actor, id)
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('webhooks')
    .selectAll()
    .where('organization_id', '=', id)
    .orderBy('name')
    .execute()
  return Promise.all(rows.map((row) => viewWebhook(it.db, row, it.clock())))
}

/** See Webhooks.read. */
export async function readOne({ it, requester }: AdminContext, uuid: string): Promise<Webhook> {
  const row = await administeredWebhook(it.db, await actorOf(it.db, requester), uuid)
  return viewWebhook(it.db, row, it.clock())
}

export async function viewWebhook(db: Database, row: Endpoint, now: Date): Promise<Webhook> {
  const { before_until: until } = row
  const counts = await countsOf(db, row.id)
  return {
    uuid: row.uuid,
    name: row.name,
    url: row.url,
    ca: row.ca,
    events: JSON.parse(row.events),
    profiles: row.profiles === null ? null : await profileNames(db, JSON.parse(row.profiles)),
    csr: row.with_csr === 1,
    enabled: row.enabled === 1,
    decidesAs: row.inbound_user_id === null ? null : await userName(db, row.inbound_user_id),
    createdAt: new Date(row.created_at),
    failures: row.failures,
    nextAttemptAt: row.next_at === null ? null : new Date(row.next_at),
    pending: counts.get('pending') ?? 0,
    dead: counts.get('dead') ?? 0,
    rotatingUntil: until === null || until <= now.getTime() ? null : new Date(until),
  }
}

async function countsOf(db: Database, id: number): Promise<Map<string, number>> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('webhook_deliveries')
    .select(({ fn }) => ['status', fn.countAll<number | string>().as('count')])
    .where('webhook_id', '=', id)
    .where('status', 'in', ['pending', 'dead'])
    .groupBy('status')
    .execute()
  return new Map(rows.map(({ status, count }) => [status, Number(count)]))
}

async function profileNames(db: Database, ids: number[]): Promise<string[]> {
  const query = withTables<CoreTables>(db).selectFrom('ra_profiles').select('name').where('id', 'in', ids)
  return (await query.orderBy('name').execute()).map(({ name }) => name)
}

async function userName(db: Database, id: number): Promise<string> {
  const query = withTables<CoreTables>(db).selectFrom('users').select('name').where('id', '=', id)
  return (await query.executeTakeFirstOrThrow()).name
}
