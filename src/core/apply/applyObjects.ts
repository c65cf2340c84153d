import { withTables } from '../../db/tables.ts'
import { parseNameText } from '../../pki/nameText.ts'
import { requireCapability } from '../adminActor.ts'
import { asMalformed } from '../asMalformed.ts'
import { checkName } from '../authority/authorityAdmin.ts'
import { creating, storeAuthorityChange } from '../authority/authorityChange.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { Failure } from '../failure.ts'
import {
  type AttributeDraft,
  addDefinition,
  changeDefinition,
  definitionsOf,
  readDraft,
} from '../inventory/attributeDefinition.ts'
import { addLocation, changeLocation, locationsOf } from '../inventory/location.ts'
import { findProfileRow, storeProfile, toView } from '../profile/profileAdmin.ts'
import { approvalRules } from '../profile/rule.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { addWebhook, changeWebhook } from '../webhook/webhookAdmin.ts'
import {
  listWebhooks,
  readWebhook,
  type WebhookChange,
  type WebhookDraft,
  webhookChange,
  webhookDraft,
} from '../webhook/webhookEndpoint.ts'
import type { Entry } from './applySchema.ts'
import {
  type ApplyChange,
  changedOrSame,
  created,
  differences,
  each,
  type Home,
  homeOf,
  type Work,
} from './applyWork.ts'

/** Authorities, then the profiles under them, then what is kept with certificates. */
export async function applyObjects(work: Work): Promise<void> {
  await each(work, 'authorities', (entry) => authority(work, entry))
  await each(work, 'profiles', (entry) => profile(work, entry))
  await each(work, 'attributes', (entry) => attribute(work, entry))
  await each(work, 'locations', (entry) => location(work, entry))
  await each(work, 'webhooks', (entry) => webhook(work, entry))
}

async function authority(work: Work, entry: Entry<'authorities'>): Promise<ApplyChange> {
  const home = await homeOf(work, entry.organization)
  const { name, create, enabled, settings } = entry
  const owner = entry.owner?.toLowerCase()
  const row = await withTables<CoreTables>(work.db)
    .selectFrom('authorities')
    .select(['id', 'enabled', 'settings', 'organization_id'])
    .where('name', '=', name)
    .executeTakeFirst()
  const known = row && (await findAuthorityRow(work.db, work.actor, name))
  if (known && known.organization_id !== home.id)
    throw new Failure('conflict', `the authority ${name} belongs to the organization ${known.organization}`)
  if (!known) await standIn(work, home, entry)
  const before =
    known && row
      ? { owner: known.owner, enabled: row.enabled === 1, settings: JSON.parse(row.settings) }
      : { enabled: true }
  const fields = differences(before, { owner, enabled, settings })
  const change = {
    ...(owner === undefined ? {} : { owner }),
    ...(enabled === undefined ? {} : { enabled }),
    ...(settings === undefined ? {} : { settings }),
  }
  if (fields.length > 0) await storeAuthorityChange(work.db, work.context, name, change)
  if (known) return changedOrSame('authorities', name, home, fields)
  return created('authorities', name, home, { owner, enabled: enabled ?? true, settings, ...create })
}

/** In a rehearsal: a row by which the rest of the file can be tried. The authority itself is made outside of any transaction. */
async function standIn(work: Work, home: Home, { name, create }: Entry<'authorities'>): Promise<void> {
  if (!create || !work.rehearsal)
    throw new Failure('notFound', `there is no authority ${name}: with \`create\`, its key and subject, one is made`)
  checkName(name)
  asMalformed(() => parseNameText(create.subject))
  await creating(work.context, { organization: home.name })
  if (create.parent !== undefined) {
    const parent = await findAuthorityRow(work.db, work.actor, create.parent)
    if (parent.kind !== 'local') throw new Failure('unsupported', `${create.parent} does not sign here`)
    const scope = { organizationId: parent.organization_id, authorityId: parent.id }
    await requireCapability(work.db, work.actor, 'create_ca', scope)
  }
  const at = work.context.it.clock()
  await withTables<CoreTables>(work.db)
    .insertInto('authorities')
    .values({
      uuid: uuidv7(at),
      organization_id: home.id,
      name,
      kind: 'local',
      owner_id: work.actor.user?.id ?? null,
      enabled: 1,
      settings: '{}',
      created_at: at.getTime(),
    })
    .execute()
}

async function profile(work: Work, entry: Entry<'profiles'>): Promise<ApplyChange> {
  const home = await homeOf(work, entry.organization)
  const { name, authority, enabled, settings, protocols } = entry
  const row = await findProfileRow(work.db, work.actor, name)
  const known = row && toView(row)
  // What is no rule at all is refused when it is stored, with its place.
  const rules = entry.rules === undefined ? undefined : (approvalRules.safeParse(entry.rules).data ?? entry.rules)
  const wanted = { authority, enabled, settings, protocols, rules }
  const fields = differences(known ? { ...known } : {}, wanted)
  if (known && fields.length === 0 && known.organization === home.name) return changedOrSame('profiles', name, home, [])
  const draft = {
    name,
    authority,
    organization: home.name,
    enabled: enabled ?? known?.enabled ?? true,
    settings: settings ?? known?.settings ?? {},
    protocols: protocols ?? known?.protocols ?? {},
    rules: rules ?? known?.rules ?? {},
  }
  work.context.checkProtocols(draft.protocols)
  const { warnings } = await storeProfile(work.db, work.context, draft)
  work.warnings.push(...warnings.map((warning) => `profile ${name}: ${warning}`))
  return known ? changedOrSame('profiles', name, home, fields) : created('profiles', name, home, wanted)
}

async function attribute(work: Work, { organization, ...given }: Entry<'attributes'>): Promise<ApplyChange> {
  const home = await homeOf(work, organization)
  const draft = readDraft(given)
  const known = (await definitionsOf(work.db, home.id)).find(({ name }) => name === draft.name)
  if (!known) {
    await addDefinition(work.context, draft as AttributeDraft, home.name)
    return created('attributes', draft.name, home, draft)
  }
  // A description that the file leaves out is left alone, as every field.
  const whole = { ...known, ...given }
  const { uuid, ...wanted } = whole
  const { uuid: _, ...before } = known
  const fields = differences(before, wanted)
  if (fields.length > 0) await changeDefinition(work.context, wanted as AttributeDraft, uuid)
  return changedOrSame('attributes', draft.name, home, fields)
}

async function location(work: Work, { organization, ...entry }: Entry<'locations'>): Promise<ApplyChange> {
  const home = await homeOf(work, organization)
  const { name, kind, settings, enabled, multiple, description } = entry
  const more = { ...(enabled === undefined ? {} : { enabled }), ...(multiple === undefined ? {} : { multiple }) }
  const known = (await locationsOf(work.db, home.id)).find((one) => one.name === name)
  if (!known) {
    const words = description == null ? {} : { description }
    const { secret } = await addLocation(work.context, { name, kind, settings, ...more, ...words }, home.name)
    if (secret !== undefined) work.secrets.push({ kind: 'locations', name, secret })
    return created('locations', name, home, { kind, settings, ...more, ...words })
  }
  if (known.kind !== kind)
    throw new Failure(
      'conflict',
      `the location ${name} is a ${known.kind}, which stays: remove it, or use another name`,
    )
  const wanted = { settings, ...more, ...(description === undefined ? {} : { description }) }
  const fields = differences({ ...known }, wanted)
  if (fields.length > 0) await changeLocation(work.context, known.uuid, wanted)
  return changedOrSame('locations', name, home, fields)
}

async function webhook(work: Work, { organization, ...given }: Entry<'webhooks'>): Promise<ApplyChange> {
  const home = await homeOf(work, organization)
  const draft = readWebhook(webhookDraft, given)
  const known = (await listWebhooks(work.context, home.name)).find(({ name }) => name === draft.name)
  if (!known) {
    const { secret, inboundSecret } = await addWebhook(work.context, draft as WebhookDraft, home.name)
    const inbound = inboundSecret === undefined ? {} : { inboundSecret }
    work.secrets.push({ kind: 'webhooks', name: draft.name, secret, ...inbound })
    return created('webhooks', draft.name, home, given)
  }
  const { name, decidesAs, ...rest } = given as { name: string; decidesAs?: string }
  if (decidesAs !== undefined && decidesAs.toLowerCase() !== known.decidesAs)
    throw new Failure(
      'conflict',
      `whose votes the decisions of ${name} are does not change: remove it, or use another name`,
    )
  const wanted = readWebhook(webhookChange, rest)
  const fields = differences(inOrder(known), inOrder(wanted))
  if (fields.length > 0) await changeWebhook(work.context, known.uuid, wanted as WebhookChange)
  return changedOrSame('webhooks', name, home, fields)
}

interface Sets {
  events?: readonly string[] | undefined
  profiles?: readonly string[] | null | undefined
}

/** Events and profiles are sets. */
function inOrder(webhook: Sets): Record<string, unknown> {
  const { events, profiles } = webhook
  return {
    ...webhook,
    ...(events && { events: [...events].sort() }),
    ...(profiles && { profiles: [...profiles].sort() }),
  }
}
