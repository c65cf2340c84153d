import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import { reaches } from '../identity/tokenScope.ts'
import type { RaProfile } from '../profile/profile.ts'
import { loadProfile } from '../profile/profiles.ts'
import { actingUser } from '../request/held.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** A profile as a client of REST names it, with the authority that it belongs to. */
export interface ServingProfile {
  profile: RaProfile
  authority: { id: number; uuid: string; name: string; kind: string }
}

/** A profile by its uuid or its name. */
export type ProfileRef = { uuid: string } | { name: string }

/**
 * The enabled profile, which serves that protocol where one is named, for a user of its organization. Throws Failure('notFound') alike for
 * none, disabled, built-in, another organization's, and one that a token's scope does not reach.
 */
export async function servingProfile(
  db: Database,
  requester: Requester,
  ref: ProfileRef,
  protocol?: string,
): Promise<ServingProfile> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .innerJoin('authorities', 'authorities.id', 'ra_profiles.authority_id')
    .select(['ra_profiles.id', 'authorities.id as authorityId', 'authorities.uuid', 'authorities.name', 'kind'])
    .where('uuid' in ref ? 'ra_profiles.uuid' : 'ra_profiles.name', '=', 'uuid' in ref ? ref.uuid : ref.name)
    .executeTakeFirst()
  const profile = row && (await loadProfile(db, row.id))
  const user = await actingUser(db, requester)
  const visible = user !== undefined && (user.superuser || user.organizationId === profile?.organizationId)
  const reached = reaches(user?.scope, { authorityId: row?.authorityId, profileId: row?.id })
  if (
    !row ||
    !profile ||
    profile.builtin ||
    !profile.enabled ||
    (protocol !== undefined && !Object.hasOwn(profile.protocols, protocol)) ||
    !visible ||
    !reached
  )
    throw new Failure('notFound', 'there is no such RA profile')
  return { profile, authority: { id: row.authorityId, uuid: row.uuid, name: row.name, kind: row.kind } }
}
