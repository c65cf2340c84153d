import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { actorOf } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import type { OptionSetRow } from './optionSets.ts'
import { profileRows } from './profileAdmin.ts'
import { changeProfile, type ProfileContext, type ProfileRecord, toRecord } from './raProfiles.ts'

interface Use {
  protocol: string
  /** Uuid. */
  profile: string
  /** Whose options it takes over; absent: it has its own. */
  set?: OptionSetRow
  on: boolean
}

/**
 * Has a profile serve a protocol or not, in the caller's transaction. Options that it has of its own stay below the set's,
 * and are kept while the protocol is off: whoever switches it on again gets no profile that asks less of its clients.
 */
export async function settleUse(db: Database, context: ProfileContext, use: Use): Promise<ProfileRecord> {
  const { protocol, set } = use
  const row = await withTables<CoreTables>(db)
    .selectFrom('option_set_uses')
    .innerJoin('ra_profiles', 'ra_profiles.id', 'option_set_uses.profile_id')
    .select(['kept', 'option_set_id'])
    .where('ra_profiles.uuid', '=', use.profile)
    .where('protocol', '=', protocol)
    .executeTakeFirst()
  let kept: string | null = null
  const profile = await changeProfile(db, context, use.profile, (profile) => {
    if (set && set.organization_id !== profile.organizationId)
      throw new Failure('notFound', `there is no such set of options of the protocol ${protocol}`)
    const { [protocol]: own, ...others } = profile.protocols
    const base = own ?? (row?.kept == null ? undefined : JSON.parse(row.kept))
    if (!use.on || (set && set.enabled !== 1)) {
      kept = base === undefined ? null : JSON.stringify(base)
      return { protocols: others }
    }
    kept = null
    const options = set ? merged(base ?? {}, JSON.parse(set.options)) : (base ?? {})
    return { protocols: { ...profile.protocols, [protocol]: options } }
  })
  const columns = { option_set_id: set?.id ?? null, kept }
  await withTables<CoreTables>(db)
    .insertInto('option_set_uses')
    .values({ profile_id: profile.id, protocol, ...columns })
    .onConflict((conflict) => conflict.columns(['profile_id', 'protocol']).doUpdateSet(columns))
    .execute()
  return profile
}

/** RFC 7396 section 2, of the members of one object. */
function merged(base: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...base, ...patch }).filter(([, value]) => value !== null))
}

/** The profiles that use a set and that the actor sees, by name. */
export async function profilesUsing(
  db: Database,
  { requester }: ProfileContext,
  setId: number,
): Promise<ProfileRecord[]> {
  const rows = await profileRows(db, await actorOf(db, requester))
    .where('ra_profiles.id', 'in', (eb) =>
      eb.selectFrom('option_set_uses').select('profile_id').where('option_set_id', '=', setId),
    )
    .orderBy('ra_profiles.name')
    .execute()
  return rows.map(toRecord)
}

/** See OptionSets.of. */
export async function setOf(
  db: Database,
  protocol: string,
  profileId: number,
): Promise<{ uuid: string; name: string; enabled: boolean } | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('option_set_uses as used')
    .innerJoin('option_sets as sets', 'sets.id', 'used.option_set_id')
    .select(['sets.uuid', 'sets.name', 'sets.enabled'])
    .where('used.profile_id', '=', profileId)
    .where('used.protocol', '=', protocol)
    .executeTakeFirst()
  return row && { uuid: row.uuid, name: row.name, enabled: row.enabled === 1 }
}
