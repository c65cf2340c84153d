import { withTables } from '../../db/tables.ts'
import { type AdminContext, actorOf } from '../adminActor.ts'
import { hasCapability } from '../identity/capability.ts'
import type { CoreTables } from '../tables.ts'

/** A challenge as lists show it: never the challenge itself, nor its hash. */
export interface ChallengeView {
  uuid: string
  /** once: made by us; static: chosen by people; webhook: the secret of a system that decides. */
  kind: 'once' | 'static' | 'webhook'
  profile: string
  /** As written; null: any. */
  subject: string | null
  /** As written; null: whatever the profile certifies. */
  identifiers: unknown
  /** Null: any number of times. */
  uses: number | null
  used: number
  note: string | null
  createdBy: string | null
  createdAt: Date
  expiresAt: Date | null
  usedAt: Date | null
  revokedAt: Date | null
}

export type ManagedChallenge = Awaited<ReturnType<typeof rows>>[number] & Pick<ChallengeView, 'kind'>

interface Filter {
  profile?: string
  uuid?: string
  kind?: ChallengeView['kind']
  all?: boolean
}

const MOST = 1000

/** Those of the profiles that the requester manages, newest first. */
export async function managedChallenges(context: AdminContext, filter: Filter): Promise<ManagedChallenge[]> {
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  const seen = new Map<number, boolean>()
  const shown: ManagedChallenge[] = []
  for (const row of await rows(context, filter)) {
    const { organization_id: organizationId, authority_id: authorityId, profile_id: profileId } = row
    const scope = { organizationId, authorityId, profileId }
    const may = seen.get(profileId) ?? (!actor.user || (await hasCapability(it.db, actor.user, 'manage', scope)))
    seen.set(profileId, may)
    if (may) shown.push({ ...row, kind: row.kind as ChallengeView['kind'] })
    if (shown.length === MOST) break
  }
  return shown
}

function rows({ it }: AdminContext, { profile, uuid, kind, all }: Filter) {
  const now = it.clock().getTime()
  let query = withTables<CoreTables>(it.db)
    .selectFrom('challenges')
    .innerJoin('ra_profiles', 'ra_profiles.id', 'challenges.profile_id')
    .leftJoin('users', 'users.id', 'challenges.created_by')
    .select(['challenges.id', 'challenges.uuid', 'challenges.kind', 'challenges.subject', 'challenges.identifiers'])
    .select(['challenges.uses', 'challenges.used', 'challenges.note', 'challenges.created_at', 'challenges.expires_at'])
    .select(['challenges.used_at', 'challenges.revoked_at', 'challenges.profile_id', 'challenges.organization_id'])
    .select(['users.name as createdBy', 'ra_profiles.name as profile', 'ra_profiles.authority_id'])
    .orderBy('challenges.id', 'desc')
  if (profile !== undefined) query = query.where('ra_profiles.name', '=', profile)
  if (uuid !== undefined) query = query.where('challenges.uuid', '=', uuid)
  if (kind !== undefined) query = query.where('challenges.kind', '=', kind)
  if (all || uuid !== undefined) return query.execute()
  return query
    .where('challenges.revoked_at', 'is', null)
    .where(({ or, eb }) => or([eb('challenges.expires_at', 'is', null), eb('challenges.expires_at', '>', now)]))
    .where(({ or, eb }) => or([eb('uses', 'is', null), eb('used', '<', eb.ref('uses'))]))
    .execute()
}

export function viewOf(row: ManagedChallenge): ChallengeView {
  const time = (at: number | null) => (at === null ? null : new Date(at))
  const { uuid, kind, profile, subject, uses, used, note, createdBy } = row
  return {
    uuid,
    kind,
    profile,
    subject,
    identifiers: row.identifiers === null ? null : JSON.parse(row.identifiers),
    uses,
    used,
    note,
    createdBy,
    createdAt: new Date(row.created_at),
    expiresAt: time(row.expires_at),
    usedAt: time(row.used_at),
    revokedAt: time(row.revoked_at),
  }
}
