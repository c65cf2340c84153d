import type { Selectable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { actorOf, organizationFor, requireCapability, seesOrganization } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { checkedName } from '../identity/identity.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { profilesUsing, setOf, settleUse } from './optionSetUse.ts'
import type { ProfileContext, ProfileRecord } from './raProfiles.ts'

/** A named set of one protocol's options, which profiles take over. */
export interface OptionSet {
  uuid: string
  protocol: string
  name: string
  organizationId: number
  description: string
  /** While it is not, the profiles that use it do not serve the protocol. */
  enabled: boolean
  /** A merge patch (RFC 7396) on a profile's options: what is null is taken out, and what it does not name stays as the profile has it. */
  options: Record<string, unknown>
  /** Kept for whoever made it. */
  details: Record<string, unknown>
  /** Those that use it and that the requester sees, by name. */
  profiles: ProfileRecord[]
}

export interface OptionSetDraft {
  protocol: string
  name: string
  organization?: string
  description?: string
  enabled?: boolean
  options: Record<string, unknown>
  details?: Record<string, unknown>
}

/** What is absent stays. */
export type OptionSetChange = Partial<Pick<OptionSet, 'description' | 'enabled' | 'options' | 'details'>>

/**
 * Named options of protocols. Every user of an organization sees its sets; who changes one needs manage for all of the
 * organization, since it changes the profiles that use it. All throw Failure('notFound') alike for none and for another
 * organization's.
 */
export interface OptionSets {
  /** Of a protocol, by name. */
  list(protocol: string): Promise<OptionSet[]>
  find(protocol: string, uuid: string): Promise<OptionSet>
  /** Throws Failure('conflict') where there is one of that name; malformed for options that the protocol does not take. */
  create(draft: OptionSetDraft): Promise<OptionSet>
  /** The profiles that use it are changed with it. */
  change(protocol: string, uuid: string, change: OptionSetChange): Promise<OptionSet>
  /** Throws Failure('conflict') while profiles use it; `force` switches the protocol off there. */
  remove(protocol: string, uuid: string, force?: boolean): Promise<void>
  /** Has a profile serve a protocol by this set's options, or without a set by those that it had. Needs manage on the profile. */
  activate(protocol: string, profile: string, set?: string): Promise<ProfileRecord>
  /** Has it serve the protocol no more; its own options are kept for another time. */
  deactivate(protocol: string, profile: string): Promise<ProfileRecord>
  /** The set that a profile uses for a protocol. */
  of(protocol: string, profile: { id: number }): Promise<{ uuid: string; name: string; enabled: boolean } | undefined>
}

export function createOptionSets(context: ProfileContext): OptionSets {
  const { it } = context
  const find = async (protocol: string, uuid: string) =>
    toSet(it.db, context, await setRow(it.db, context, { protocol, uuid }))
  return {
    list: (protocol) => list(context, protocol),
    find,
    create: async (draft) => find(draft.protocol, await create(context, draft)),
    change: async (protocol, uuid, change) => {
      await changed(context, { protocol, uuid }, change)
      return find(protocol, uuid)
    },
    remove: (protocol, uuid, force = false) => remove(context, { protocol, uuid }, force),
    activate: (protocol, profile, uuid) =>
      transaction(it.db, async (db) => {
        const set = uuid === undefined ? undefined : await setRow(db, context, { protocol, uuid })
        return settleUse(db, context, { protocol, profile, ...(set ? { set } : {}), on: true })
      }),
    deactivate: (protocol, profile) =>
      transaction(it.db, (db) => settleUse(db, context, { protocol, profile, on: false })),
    of: (protocol, profile) => setOf(it.db, protocol, profile.id),
  }
}

interface Ref {
  protocol: string
  uuid: string
}

export type OptionSetRow = Selectable<CoreTables['option_sets']>

async function list(context: ProfileContext, protocol: string): Promise<OptionSet[]> {
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('option_sets')
    .selectAll()
    .where('protocol', '=', protocol)
    .orderBy('name')
    .orderBy('id')
    .execute()
  const seen = rows.filter((row) => seesOrganization(actor, row.organization_id))
  return Promise.all(seen.map((row) => toSet(it.db, context, row)))
}

async function setRow(db: Database, { requester }: ProfileContext, { protocol, uuid }: Ref): Promise<OptionSetRow> {
  const actor = await actorOf(db, requester)
  const row = await withTables<CoreTables>(db)
    .selectFrom('option_sets')
    .selectAll()
    .where('uuid', '=', uuid)
    .where('protocol', '=', protocol)
    .executeTakeFirst()
  if (!row || !seesOrganization(actor, row.organization_id))
    throw new Failure('notFound', `there is no such set of options of the protocol ${protocol}`)
  return row
}

async function toSet(db: Database, context: ProfileContext, row: OptionSetRow): Promise<OptionSet> {
  const { uuid, protocol, name, description } = row
  return {
    uuid,
    protocol,
    name,
    organizationId: row.organization_id,
    description,
    enabled: row.enabled === 1,
    options: JSON.parse(row.options),
    details: JSON.parse(row.details),
    profiles: await profilesUsing(db, context, row.id),
  }
}

/** Options as a profile without any of its own would have them. */
function checkOptions({ checkProtocols }: ProfileContext, protocol: string, options: Record<string, unknown>): void {
  checkProtocols({ [protocol]: Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null)) })
}

async function create(context: ProfileContext, draft: OptionSetDraft): Promise<string> {
  const { it, requester } = context
  checkOptions(context, draft.protocol, draft.options)
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { id: organizationId } = await organizationFor(db, actor, draft.organization)
    await requireCapability(db, actor, 'manage', { organizationId })
    const { protocol, options, details = {}, description = '' } = draft
    const name = checkedName(draft.name)
    const row = await withTables<CoreTables>(db)
      .insertInto('option_sets')
      .values({
        uuid: uuidv7(at),
        organization_id: organizationId,
        protocol,
        name,
        description,
        enabled: draft.enabled ? 1 : 0,
        options: JSON.stringify(options),
        details: JSON.stringify(details),
        created_at: at.getTime(),
      })
      .onConflict((conflict) => conflict.columns(['organization_id', 'protocol', 'name']).doNothing())
      .returning(['id', 'uuid'])
      .executeTakeFirst()
    if (!row) throw new Failure('conflict', `there is a set of options called ${name} already`)
    const made = { ...row, organization_id: organizationId }
    await auditSet(context, db, { row: made, action: 'option_set.created', details: { protocol, name, options } })
    return row.uuid
  })
}

async function changed(context: ProfileContext, ref: Ref, change: OptionSetChange): Promise<void> {
  const { it, requester } = context
  if (change.options) checkOptions(context, ref.protocol, change.options)
  await transaction(it.db, async (db) => {
    const row = await setRow(db, context, ref)
    await requireCapability(db, await actorOf(db, requester), 'manage', { organizationId: row.organization_id })
    const columns = {
      ...(change.description === undefined ? {} : { description: change.description }),
      ...(change.enabled === undefined ? {} : { enabled: change.enabled ? 1 : 0 }),
      ...(change.options === undefined ? {} : { options: JSON.stringify(change.options) }),
      ...(change.details === undefined ? {} : { details: JSON.stringify(change.details) }),
    }
    if (Object.keys(columns).length === 0) return
    await withTables<CoreTables>(db).updateTable('option_sets').set(columns).where('id', '=', row.id).execute()
    await auditSet(context, db, { row, action: 'option_set.changed', details: { name: row.name, ...change } })
    for (const { uuid: profile } of await profilesUsing(db, context, row.id))
      await settleUse(db, context, { protocol: ref.protocol, profile, set: { ...row, ...columns }, on: true })
  })
}

async function remove(context: ProfileContext, ref: Ref, force: boolean): Promise<void> {
  const { it, requester } = context
  await transaction(it.db, async (db) => {
    const row = await setRow(db, context, ref)
    await requireCapability(db, await actorOf(db, requester), 'manage', { organizationId: row.organization_id })
    const using = await profilesUsing(db, context, row.id)
    if (using.length > 0 && !force) {
      const names = using.map(({ name }) => name).join(', ')
      throw new Failure('conflict', `${row.name} is used by the RA profiles ${names}: deactivate it there first`)
    }
    for (const { uuid: profile } of using) await settleUse(db, context, { protocol: ref.protocol, profile, on: false })
    const tables = withTables<CoreTables>(db)
    // Also of profiles that are gone.
    await tables
      .updateTable('option_set_uses')
      .set({ option_set_id: null })
      .where('option_set_id', '=', row.id)
      .execute()
    await tables.deleteFrom('option_sets').where('id', '=', row.id).execute()
    await auditSet(context, db, { row, action: 'option_set.deleted', details: { name: row.name } })
  })
}

interface SetEvent {
  row: Pick<OptionSetRow, 'id' | 'organization_id'>
  action: string
  details: Record<string, unknown>
}

async function auditSet(
  { it, requester }: ProfileContext,
  db: Database,
  { row: { id, organization_id: organizationId }, action, details }: SetEvent,
): Promise<void> {
  const subject = { kind: 'installation', id } as const
  await audit(db, requester, it.clock(), { action, organizationId, subject, details })
}
