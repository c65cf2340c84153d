import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Admin, ProfileView } from '../admin.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { type ProfileRow, profileRows, reachesProfile, storeProfile, toView } from './profileAdmin.ts'

/** A profile as it was written, with the authority that it belongs to. */
export interface ProfileRecord extends ProfileView {
  id: number
  organizationId: number
  authorityId: number
  authorityUuid: string
}

export type ChangedProfile = ProfileRecord & { warnings: string[] }

export type NewProfile = Omit<Parameters<Admin['saveProfile']>[0], 'enabled'> & { enabled?: boolean }

/** What is absent stays as it is. */
export interface ProfileChange {
  enabled?: boolean
  settings?: unknown
  protocols?: Record<string, unknown>
  rules?: unknown
}

/**
 * Profiles by their uuid, for programs. Every user of an organization sees its profiles, a token those that its scope reaches;
 * changes need manage on the profile, and a new one on its authority. All throw Failure('notFound') alike for none and for another organization's.
 */
export interface RaProfiles {
  /** By name. */
  list(): Promise<ProfileRecord[]>
  find(uuid: string): Promise<ProfileRecord>
  /** Throws Failure('conflict') where the name is taken; malformed, forbidden. */
  create(draft: NewProfile): Promise<ProfileRecord>
  /** As create, in the caller's transaction: what it throws as Failure has written nothing. */
  createIn(db: Database, draft: NewProfile): Promise<void>
  /**
   * Reads, changes and stores a profile in one transaction: `change` sees it as it is then, is pure, and may run more than
   * once. Answers it as it is now, with sentences about rules that are allowed and yet hardly meant. Throws what `change` throws, malformed,
   * forbidden.
   */
  change(uuid: string, change: (profile: ProfileRecord) => ProfileChange): Promise<ChangedProfile>
  /** Of one over which nothing was ever ordered. Throws Failure('conflict') for any other: disable that. */
  remove(uuid: string): Promise<void>
  /** Throws Failure('forbidden') for who has no `manage` on it. */
  requireManage(uuid: string): Promise<ProfileRecord>
}

/** The context of changes to profiles: also what holds the options of protocols against their schemas. */
export type ProfileContext = AdminContext & { checkProtocols: (protocols: Record<string, unknown>) => void }

export function createRaProfiles(context: ProfileContext): RaProfiles {
  const { it, requester } = context
  const find = async (uuid: string) => toRecord(await rowOf(it.db, context, uuid))
  return {
    list: async () => {
      const actor = await actorOf(it.db, requester)
      const rows = await profileRows(it.db, actor).orderBy('ra_profiles.name').execute()
      return rows.filter((row) => reachesProfile(actor, row)).map(toRecord)
    },
    find,
    create: async (draft) => {
      context.checkProtocols(draft.protocols)
      const { uuid } = await transaction(it.db, (db) => createProfile(db, context, draft))
      return find(uuid)
    },
    createIn: async (db, draft) => {
      context.checkProtocols(draft.protocols)
      await createProfile(db, context, draft)
    },
    change: (uuid, change) => transaction(it.db, (db) => changeProfile(db, context, uuid, change)),
    remove: (uuid) => removeProfile(context, uuid),
    requireManage: async (uuid) => {
      const row = await rowOf(it.db, context, uuid)
      await mayManage(it.db, context, row)
      return toRecord(row)
    },
  }
}

async function createProfile(db: Database, context: ProfileContext, draft: NewProfile): Promise<{ uuid: string }> {
  const actor = await actorOf(db, context.requester)
  if (await profileRows(db, actor).where('ra_profiles.name', '=', draft.name).executeTakeFirst())
    throw new Failure('conflict', `there is a profile ${draft.name} already`)
  const { id } = await storeProfile(db, context, draft)
  return profileRows(db, actor).where('ra_profiles.id', '=', id).executeTakeFirstOrThrow()
}

/** See RaProfiles.change, in the caller's transaction. A change that changes nothing is none. */
export async function changeProfile(
  db: Database,
  context: ProfileContext,
  uuid: string,
  change: (profile: ProfileRecord) => ProfileChange,
): Promise<ChangedProfile> {
  const profile = toRecord(await rowOf(db, context, uuid, true))
  const changed = { ...profile, ...change(profile) }
  const { name, authority, enabled, settings, protocols, rules } = changed
  if (JSON.stringify(changed) === JSON.stringify(profile)) {
    await mayManage(db, context, profile)
    return { ...profile, warnings: [] }
  }
  context.checkProtocols(protocols)
  const { warnings } = await storeProfile(db, context, { name, authority, enabled, settings, protocols, rules })
  return { ...toRecord(await rowOf(db, context, uuid)), warnings }
}

/** Its row stays, as one that nothing names, for the records that do; so its id never comes to mean another profile. */
async function removeProfile(context: ProfileContext, uuid: string): Promise<void> {
  const { it, requester } = context
  const row = await rowOf(it.db, context, uuid)
  await mayManage(it.db, context, row)
  const seen = await refuseOrdered(it.db, row, 0)
  await transaction(it.db, async (db) => {
    const row = await rowOf(db, context, uuid, true)
    await mayManage(db, context, row)
    await refuseOrdered(db, row, seen)
    const columns = { name: `@removed/${row.uuid}`, enabled: 0, builtin: 1, updated_at: it.clock().getTime() }
    await withTables<CoreTables>(db)
      .updateTable('ra_profiles')
      .set((eb) => ({ ...columns, version: eb('version', '+', 1) }))
      .where('id', '=', row.id)
      .execute()
    await audit(db, requester, it.clock(), {
      action: 'profile.deleted',
      organizationId: row.organization_id,
      subject: { kind: 'profile', id: row.id },
      details: { name: columns.name, was: row.name, enabled: false },
    })
  })
}

const SPAN = 5000

/** Looks for orders of a profile, span by span since no index knows; answers up to which id. Throws Failure('conflict') for the first. */
async function refuseOrdered(db: Database, { id, name }: ProfileRow, from: number): Promise<number> {
  for (let after = from; ; ) {
    const { last, used } = await withTables<CoreTables>(db)
      .selectFrom((eb) =>
        eb
          .selectFrom('sign_requests')
          .select((eb) => ['id', eb.case().when('profile_id', '=', id).then(eb.lit(1)).else(eb.lit(0)).end().as('its')])
          .where('id', '>', after)
          .orderBy('id')
          .limit(SPAN)
          .as('span'),
      )
      .select((eb) => [eb.fn.max<number | null>('id').as('last'), eb.fn.max<number | null>('its').as('used')])
      .executeTakeFirstOrThrow()
    if (used) throw new Failure('conflict', `certificates were ordered over the profile ${name}: disable it instead`)
    if (last === null) return after
    after = last
  }
}

async function rowOf(db: Database, { requester }: ProfileContext, uuid: string, lock = false): Promise<ProfileRow> {
  if (lock) {
    const row = withTables<CoreTables>(db).selectFrom('ra_profiles').select('id').where('uuid', '=', uuid)
    await forUpdate(db, row).execute()
  }
  const actor = await actorOf(db, requester)
  const row = await profileRows(db, actor).where('ra_profiles.uuid', '=', uuid).executeTakeFirst()
  if (!row || !reachesProfile(actor, row)) throw new Failure('notFound', 'there is no such RA profile')
  return row
}

async function mayManage(
  db: Database,
  { requester }: ProfileContext,
  row: Pick<ProfileRow, 'id' | 'organization_id' | 'authority_id'> | ProfileRecord,
): Promise<void> {
  const scope =
    'authorityUuid' in row
      ? { organizationId: row.organizationId, authorityId: row.authorityId, profileId: row.id }
      : { organizationId: row.organization_id, authorityId: row.authority_id, profileId: row.id }
  await requireCapability(db, await actorOf(db, requester), 'manage', scope)
}

/** As the row tells it. */
export function toRecord(row: ProfileRow): ProfileRecord {
  return {
    ...toView(row),
    id: row.id,
    organizationId: row.organization_id,
    authorityId: row.authority_id,
    authorityUuid: row.authority_uuid,
  }
}
