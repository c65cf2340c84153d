import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import {
  type Actor,
  type AdminContext,
  actorOf,
  administers,
  organizationFor,
  requireAdministrator,
  seesOrganization,
} from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { random, uuidv7 } from '../uuid.ts'
import { checkAttributes } from './attributeDefinition.ts'
import type { CustomAttribute } from './customAttribute.ts'

export const locationKinds = ['folder', 'webhook'] as const
export type LocationKind = (typeof locationKinds)[number]

/** The additional data of the seal: a sealed secret opens in its own row alone. */
export const LOCATION_SEAL = 'location'

/** One part of a path: no part goes up or is hidden, and no file system reads anything into it. */
const PART = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/
export const entryName = z.string().regex(PART, 'a name is made of letters, digits, dots, dashes and underscores')

const folder = z.strictObject({
  /** Below the one folder that the server's configuration allows; parts are separated by slashes. */
  path: z
    .string()
    .max(500)
    .refine(
      (path) => path.split('/').every((part) => PART.test(part)),
      'names separated by slashes, none begins with a dot',
    ),
})

/** Where messages are sent to. */
export const webhookSettings = z.strictObject({
  /** https; http to an address that is loopback or private. */
  url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .refine(isPlain, 'no user and no fragment stand in it'),
  /** PEM of the certificates that its certificate may be issued by; absent: those that the system trusts. */
  ca: z.string().max(100_000).includes('-----BEGIN CERTIFICATE-----').optional(),
})

function isPlain(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { username, password, hash } = new URL(url)
  return username === '' && password === '' && hash === ''
}

const settings = { folder, webhook: webhookSettings } as const satisfies Record<LocationKind, z.ZodType>
export type FolderSettings = z.output<typeof folder>
export type WebhookSettings = z.output<typeof webhookSettings>

const description = text(1000)

const draft = z.strictObject({
  name: text(100),
  description: description.optional(),
  kind: z.enum(locationKinds),
  settings: z.unknown(),
  enabled: z.boolean().default(true),
  /** It takes more than one certificate. */
  multiple: z.boolean().default(true),
  /** Custom attributes, held against what the organization has defined for locations. */
  attributes: z.unknown().optional(),
})
export type LocationDraft = z.input<typeof draft>

/** Where certificates are put when they are issued. */
export interface Location {
  uuid: string
  name: string
  description?: string
  kind: LocationKind
  settings: FolderSettings | WebhookSettings
  enabled: boolean
  multiple: boolean
  attributes: CustomAttribute[]
  /** When a certificate was put there last; absent: none was yet. */
  deliveredAt?: Date
}

function readSettings(kind: LocationKind, given: unknown): FolderSettings | WebhookSettings {
  return read<FolderSettings | WebhookSettings>(settings[kind], given, 'settings.')
}

function read<T>(schema: z.ZodType<T>, given: unknown, at = ''): T {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Failure('malformed', `${at}${issue?.path.join('.') ?? ''}: ${issue?.message}`)
}

/** Those of the requester's organization, by name. Who is no administrator reads only at which server a webhook is: the rest of a URL may be a secret. */
export async function listLocations({ it, requester }: AdminContext): Promise<Location[]> {
  const actor = await actorOf(it.db, requester)
  const { id } = await organizationFor(it.db, actor, undefined)
  const all = await locationsOf(it.db, id)
  return administers(actor, id) ? all : all.map((one) => ({ ...one, settings: withoutSecrets(one.settings) }))
}

function withoutSecrets(settings: Location['settings']): Location['settings'] {
  return 'url' in settings ? { ...settings, url: new URL(settings.url).origin } : settings
}

/** Of one organization, by name. The caller has made sure that they may be seen. */
export async function locationsOf(db: Database, organizationId: number): Promise<Location[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('locations')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .orderBy('name')
    .execute()
  return rows.map(({ kind, settings, enabled, multiple, ...row }) => ({
    ...aboutLocation(row),
    kind: kind as LocationKind,
    settings: JSON.parse(settings),
    enabled: enabled === 1,
    multiple: multiple === 1,
  }))
}

interface AboutRow {
  uuid: string
  name: string
  description: string | null
  attributes: string
  delivered_at: number | null
}

/** What people say of a location, and when it was used. */
export function aboutLocation(
  row: AboutRow,
): Pick<Location, 'uuid' | 'name' | 'description' | 'attributes' | 'deliveredAt'> {
  const { uuid, name, description, attributes, delivered_at: at } = row
  return {
    uuid,
    name,
    ...(description === null ? {} : { description }),
    attributes: JSON.parse(attributes),
    ...(at === null ? {} : { deliveredAt: new Date(at) }),
  }
}

/**
 * Makes a location in the requester's organization, or in the one named. The secret with which a webhook's messages are signed is answered once, and never again.
 * Throws Failure: malformed, tooLarge, forbidden, conflict where the name is taken.
 */
export async function addLocation(
  { it, requester }: AdminContext,
  given: LocationDraft,
  organization?: string,
): Promise<Location & { secret?: string }> {
  const { kind, attributes: said, ...rest } = read(draft, given)
  const checked = readSettings(kind, rest.settings)
  const at = it.clock()
  const uuid = uuidv7(at)
  const secret = kind === 'webhook' ? Buffer.from(random(32)).toString('base64url') : undefined
  let attributes: CustomAttribute[] = []
  try {
    attributes = await transaction(it.db, async (db) => {
      const actor = await actorOf(db, requester)
      const { id: organizationId } = await organizationFor(db, actor, organization)
      requireAdministrator(actor, organizationId)
      const attributes = said === undefined ? [] : await checkAttributes(db, organizationId, said, 'locations')
      const { id } = await withTables<CoreTables>(db)
        .insertInto('locations')
        .values({
          uuid,
          organization_id: organizationId,
          name: rest.name,
          description: rest.description ?? null,
          attributes: JSON.stringify(attributes),
          kind,
          settings: JSON.stringify(checked),
          secret: secret === undefined ? null : it.vault.seal(Buffer.from(secret), uuid, LOCATION_SEAL),
          enabled: rest.enabled ? 1 : 0,
          multiple: rest.multiple ? 1 : 0,
          created_at: at.getTime(),
        })
        .returning('id')
        .executeTakeFirstOrThrow()
      await audit(db, requester, at, {
        action: 'location.created',
        organizationId,
        subject: { kind: 'location', id },
        details: { uuid, kind, ...rest, settings: withoutSecrets(checked), ...toldOf(attributes) },
      })
      return attributes
    })
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new Failure('conflict', `there is a location ${rest.name} already`, { cause: error })
  }
  const { settings: _, description: words, ...shown } = rest
  return {
    ...{ uuid, ...shown, kind, settings: checked, attributes },
    ...(words === undefined ? {} : { description: words }),
    ...(secret === undefined ? {} : { secret }),
  }
}

/** What the audit trail says of attributes. */
function toldOf(attributes: readonly CustomAttribute[] | undefined): { attributes?: string[] } {
  return attributes?.length ? { attributes: attributes.map(({ name }) => name) } : {}
}

/** A location and where it belongs. Throws Failure('notFound') also for one of another organization. */
export async function findLocation(db: Database, actor: Actor, uuid: string) {
  const row = await withTables<CoreTables>(db)
    .selectFrom('locations')
    .selectAll()
    .where('uuid', '=', uuid)
    .executeTakeFirst()
  if (!row || !seesOrganization(actor, row.organization_id)) throw new Failure('notFound', 'there is no such location')
  return row
}

export interface LocationChange {
  /** Null empties. */
  description?: string | null
  /** All custom attributes, from then on. */
  attributes?: unknown
  settings?: unknown
  enabled?: boolean
  multiple?: boolean
}

/** What is absent stays; the kind always does. Throws Failure: malformed, tooLarge, notFound, forbidden. */
export async function changeLocation(
  { it, requester }: AdminContext,
  uuid: string,
  { settings: given, enabled, multiple, description: words, attributes: said }: LocationChange,
): Promise<void> {
  const at = it.clock()
  const wanted = words === undefined ? undefined : read(description.nullable(), words, 'description')
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await findLocation(db, actor, uuid)
    requireAdministrator(actor, row.organization_id)
    const checked = given === undefined ? undefined : readSettings(row.kind as LocationKind, given)
    const attributes =
      said === undefined ? undefined : await checkAttributes(db, row.organization_id, said, 'locations')
    await withTables<CoreTables>(db)
      .updateTable('locations')
      .set({
        ...(checked === undefined ? {} : { settings: JSON.stringify(checked) }),
        ...(wanted === undefined ? {} : { description: wanted }),
        ...(attributes === undefined ? {} : { attributes: JSON.stringify(attributes) }),
        enabled: (enabled ?? row.enabled === 1) ? 1 : 0,
        multiple: (multiple ?? row.multiple === 1) ? 1 : 0,
      })
      .where('id', '=', row.id)
      .execute()
    await audit(db, requester, at, {
      action: 'location.changed',
      organizationId: row.organization_id,
      subject: { kind: 'location', id: row.id },
      details: {
        ...{ enabled, multiple, description: wanted, settings: checked && withoutSecrets(checked) },
        ...toldOf(attributes),
      },
    })
  })
}

/** What was put there stays there. Throws Failure: notFound, forbidden. */
export async function removeLocation({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await findLocation(db, actor, uuid)
    requireAdministrator(actor, row.organization_id)
    const tables = withTables<CoreTables>(db)
    await tables.deleteFrom('certificate_locations').where('location_id', '=', row.id).execute()
    await tables.deleteFrom('locations').where('id', '=', row.id).execute()
    await audit(db, requester, at, {
      action: 'location.removed',
      organizationId: row.organization_id,
      subject: { kind: 'location', id: row.id },
      details: { uuid, name: row.name },
    })
  })
}
