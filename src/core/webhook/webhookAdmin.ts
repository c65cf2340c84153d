import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import { type Actor, type AdminContext, actorOf, organizationFor, requireAdministrator } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { changeUser, createUser } from '../identity/identity.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { INBOUND_SEAL } from './webhookDecision.ts'
import { OUTBOUND_SEAL } from './webhookDelivery.ts'
import {
  administeredWebhook,
  type Endpoint,
  newWebhookSecret,
  profileIds,
  readWebhook,
  viewWebhook,
  type Webhook,
  type WebhookChange,
  type WebhookDraft,
  webhookChange,
  webhookDraft,
} from './webhookEndpoint.ts' // prettier-ignore
import { presentPosition } from './webhookOutbox.ts'

/** So many webhooks has an organization at most: each event is looked at for each of them. */
const MOST = 20
const HOUR = 3_600_000

export interface WebhookSecrets {
  /** With which messages to it are signed. */
  secret: string
  /** With which it signs its decisions; absent: it decides nothing. */
  inboundSecret?: string
}

/** See Webhooks.add. */
export async function addWebhook(
  context: AdminContext,
  given: WebhookDraft,
  organization?: string,
): Promise<Webhook & WebhookSecrets> {
  const { it, requester } = context
  const draft = readWebhook(webhookDraft, given)
  requireUse(draft.url, draft.decidesAs)
  const uuid = uuidv7(it.clock())
  const position = await presentPosition(it)
  const secrets: WebhookSecrets = {
    secret: newWebhookSecret(),
    ...(draft.decidesAs === undefined ? {} : { inboundSecret: newWebhookSecret() }),
  }
  try {
    const row = await transaction(it.db, async (db) => {
      const actor = await actorOf(db, requester)
      const { id: organizationId } = await organizationFor(db, actor, organization)
      requireAdministrator(actor, organizationId)
      return insert(db, context, { draft, uuid, secrets, organizationId, actor, position })
    })
    return { ...(await viewWebhook(it.db, row, it.clock())), ...secrets }
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new Failure('conflict', `there is a webhook ${draft.name} already`, { cause: error })
  }
}

function requireUse(url: string | null, decidesAs: string | undefined): void {
  if (url === null && decidesAs === undefined)
    throw new Failure('malformed', 'url: a webhook is told something, decides (decidesAs), or both')
}

interface New {
  draft: ReturnType<typeof webhookDraft.parse>
  uuid: string
  secrets: WebhookSecrets
  organizationId: number
  actor: Actor
  /** From where on it is told. */
  position: number
}

async function insert(db: Database, { it, requester }: AdminContext, made: New): Promise<Endpoint> {
  const { draft, uuid, secrets, organizationId, actor, position } = made
  const at = it.clock()
  await requireRoom(db, organizationId)
  const { decidesAs } = draft
  const { inboundSecret: inbound } = secrets
  if (decidesAs !== undefined) requireMaker(actor)
  const change = { actor: requester, at }
  const user = decidesAs === undefined ? undefined : await createUser(db, change, { name: decidesAs, organizationId })
  const row = await withTables<CoreTables>(db)
    .insertInto('webhooks')
    .values({
      uuid,
      organization_id: organizationId,
      name: draft.name,
      url: draft.url,
      ca: draft.ca,
      events: JSON.stringify(draft.events),
      profiles: await profileIds(db, organizationId, draft.profiles),
      with_csr: draft.csr ? 1 : 0,
      enabled: draft.enabled ? 1 : 0,
      secret: it.vault.seal(Buffer.from(secrets.secret), uuid, OUTBOUND_SEAL),
      position,
      failures: 0,
      inbound_secret: inbound === undefined ? null : it.vault.seal(Buffer.from(inbound), uuid, INBOUND_SEAL),
      inbound_user_id: user?.id ?? null,
      inbound_maker_id: user ? (actor.user?.id ?? null) : null,
      created_at: at.getTime(),
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  const { name, events, profiles, csr, enabled } = draft
  const details = { name, events, profiles, csr, enabled, decidesAs, ...placeOf(draft.url) }
  await auditWebhook(db, { actor: requester, at }, { row, action: 'webhook.created', details })
  return row
}

async function requireRoom(db: Database, organizationId: number): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('webhooks')
    .select('id')
    .where('organization_id', '=', organizationId)
    .limit(MOST)
    .execute()
  if (rows.length >= MOST)
    throw new Failure('conflict', `an organization has at most ${MOST} webhooks: delete one first`)
}

/** Where it is; the rest of a URL may hold what nobody else is to read. */
function placeOf(url: string | null | undefined): { place?: string } {
  return typeof url === 'string' ? { place: new URL(url).origin } : {}
}

interface Told {
  row: Pick<Endpoint, 'id' | 'uuid' | 'organization_id'>
  action: string
  details?: Record<string, unknown>
}

export async function auditWebhook(
  db: Database,
  { actor, at }: { actor: Requester; at: Date },
  { row, action, details }: Told,
): Promise<void> {
  await audit(db, actor, at, {
    action,
    organizationId: row.organization_id,
    subject: { kind: 'webhook', id: row.id },
    details: { uuid: row.uuid, ...details },
  })
}

/** See Webhooks.change. */
export async function changeWebhook(
  { it, requester }: AdminContext,
  uuid: string,
  given: WebhookChange,
): Promise<Webhook> {
  const change = readWebhook(webhookChange, given)
  const at = it.clock()
  const position = await presentPosition(it)
  const row = await transaction(it.db, async (db) => {
    const before = await administeredWebhook(db, await actorOf(db, requester), uuid)
    const set = await columnsOf(db, before, change)
    if (set.url === null && before.inbound_user_id === null) requireUse(null, undefined)
    // What happened while it listened to nothing is not told.
    const deaf = before.enabled === 0 || before.url === null
    const awake = deaf ? { position } : {}
    const after = await withTables<CoreTables>(db)
      .updateTable('webhooks')
      // What waits is tried at once: the change may be what it waited for.
      .set((eb) => ({
        ...set,
        ...awake,
        next_at: eb.case().when('failures', '>', 0).then(at.getTime()).else(eb.ref('next_at')).end(),
      }))
      .where('id', '=', before.id)
      .returningAll()
      .executeTakeFirstOrThrow()
    const { url, ca: _, ...rest } = change
    await auditWebhook(
      db,
      { actor: requester, at },
      { row: before, action: 'webhook.changed', details: { ...rest, ...placeOf(url) } },
    ) // prettier-ignore
    return after
  })
  return viewWebhook(it.db, row, at)
}

async function columnsOf(db: Database, { organization_id }: Endpoint, change: ReturnType<typeof webhookChange.parse>) {
  const { url, ca, events, profiles, csr, enabled } = change
  return {
    ...(url === undefined ? {} : { url }),
    ...(ca === undefined ? {} : { ca }),
    ...(events === undefined ? {} : { events: JSON.stringify(events) }),
    ...(profiles === undefined ? {} : { profiles: await profileIds(db, organization_id, profiles) }),
    ...(csr === undefined ? {} : { with_csr: csr ? 1 : 0 }),
    ...(enabled === undefined ? {} : { enabled: enabled ? 1 : 0 }),
  }
}

/** See Webhooks.remove. */
export async function removeWebhook({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const change = { actor: requester, at: it.clock() }
  await transaction(it.db, async (db) => {
    const row = await administeredWebhook(db, await actorOf(db, requester), uuid)
    const tables = withTables<CoreTables>(db)
    for (const table of ['webhook_deliveries', 'webhook_answers'] as const)
      await tables.deleteFrom(table).where('webhook_id', '=', row.id).execute()
    await tables.deleteFrom('webhooks').where('id', '=', row.id).execute()
    // His votes stay on record, and so does he.
    if (row.inbound_user_id !== null) await changeUser(db, change, row.inbound_user_id, { enabled: false })
    await auditWebhook(db, change, { row, action: 'webhook.removed', details: { name: row.name } })
  })
}

export interface SecretRotation {
  /** outbound: of messages to it; inbound: of its decisions. */
  which: 'outbound' | 'inbound'
  /** For so many hours the secret before stays good; 0: it is not from now on. Absent: 24. */
  overlap?: number
}

/** See Webhooks.rotateSecret. */
export async function rotateWebhookSecret(
  { it, requester }: AdminContext,
  uuid: string,
  { which, overlap = 24 }: SecretRotation,
): Promise<{ secret: string; until: Date }> {
  if (!Number.isFinite(overlap) || overlap < 0 || overlap > 24 * 90)
    throw new Failure('malformed', 'overlap: 0 to 2160 hours')
  const at = it.clock()
  const until = new Date(at.getTime() + Math.round(overlap * HOUR))
  const secret = newWebhookSecret()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await administeredWebhook(db, actor, uuid)
    await withTables<CoreTables>(db)
      .updateTable('webhooks')
      .set(which === 'outbound' ? outbound(it, row, { secret, until }) : inbound(it, row, { secret, until, actor }))
      .where('id', '=', row.id)
      .execute()
    const details = { which, until: until.toISOString() }
    await auditWebhook(db, { actor: requester, at }, { row, action: 'webhook.secret_rotated', details })
  })
  return { secret, until }
}

interface Rotated {
  secret: string
  until: Date
}

function outbound({ vault }: Installation, row: Endpoint, { secret, until }: Rotated) {
  return {
    secret: vault.seal(Buffer.from(secret), row.uuid, OUTBOUND_SEAL),
    secret_before: row.secret,
    before_until: until.getTime(),
  }
}

function inbound({ vault }: Installation, row: Endpoint, { secret, until, actor }: Rotated & { actor: Actor }) {
  if (row.inbound_secret === null) throw new Failure('conflict', 'this webhook decides nothing: it has no such secret')
  requireMaker(actor)
  return {
    inbound_secret: vault.seal(Buffer.from(secret), row.uuid, INBOUND_SEAL),
    inbound_before: row.inbound_secret,
    inbound_before_until: until.getTime(),
    inbound_before_maker_id: row.inbound_maker_id,
    inbound_maker_id: actor.user?.id ?? null,
  }
}

/** Whoever is shown the secret can decide with it: it must be known who he is. */
function requireMaker({ user }: Actor): void {
  if (!user)
    throw new Failure('forbidden', 'a webhook that decides is made by a user: he decides nothing of his own with it')
}
