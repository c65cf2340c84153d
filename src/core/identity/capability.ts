import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { audit } from '../audit/audit.ts'
import type { CoreTables } from '../tables.ts'
import type { Capability } from './capabilityNames.ts'
import { type ActingUser, type Change, findUser } from './identity.ts'
import { allows } from './tokenScope.ts'

export { type Capability, capabilities } from './capabilityNames.ts'

/** What a capability is used on. */
export interface Scope {
  organizationId: number
  authorityId?: number
  profileId?: number
}

/**
 * Whether a user may: superusers everything, administrators everything in their organization, others what they or one of
 * their roles were granted for this authority and profile or for all of the organization. Disabled users nothing. Through a
 * token with a scope, no more than that.
 */
export async function hasCapability(
  db: Database,
  { id: userId, scope }: Pick<ActingUser, 'id' | 'scope'>,
  capability: Capability,
  { organizationId, authorityId, profileId }: Scope,
): Promise<boolean> {
  if (!allows(scope, capability, { authorityId, profileId })) return false
  const user = await findUser(db, userId)
  if (!user?.enabled) return false
  if (user.superuser) return true
  if (user.organizationId !== organizationId) return false
  if (user.admin) return true
  const grant = await withTables<CoreTables>(db)
    .selectFrom('capabilities')
    .select('id')
    .where('capability', '=', capability)
    .where(({ or, eb, selectFrom }) =>
      or([
        eb('user_id', '=', userId),
        eb('role_id', 'in', selectFrom('role_members').select('role_id').where('user_id', '=', userId)),
      ]),
    )
    .where(({ or, eb }) => or([eb('authority_id', 'is', null), eb('authority_id', '=', authorityId ?? -1)]))
    .where(({ or, eb }) => or([eb('profile_id', 'is', null), eb('profile_id', '=', profileId ?? -1)]))
    .limit(1)
    .executeTakeFirst()
  return grant !== undefined
}

export interface Grant {
  capability: Capability
  /** Whose: a user's or a role's. */
  to: { userId: number } | { roleId: number }
  organizationId: number
  /** Absent: every authority of the organization. */
  authorityId?: number
  profileId?: number
}

/** Grants a capability. Granting twice leaves one more row and changes nothing else. */
export async function grantCapability(db: Database, { actor, at }: Change, grant: Grant): Promise<number> {
  const { id } = await withTables<CoreTables>(db)
    .insertInto('capabilities')
    .values({
      user_id: 'userId' in grant.to ? grant.to.userId : null,
      role_id: 'roleId' in grant.to ? grant.to.roleId : null,
      authority_id: grant.authorityId ?? null,
      profile_id: grant.profileId ?? null,
      capability: grant.capability,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await audit(db, actor, at, {
    action: 'capability.granted',
    organizationId: grant.organizationId,
    subject:
      'userId' in grant.to ? { kind: 'user', id: grant.to.userId } : { kind: 'installation', id: grant.to.roleId },
    details: { ...grant, grant: id },
  })
  return id
}

/** Takes back every such grant, whatever its authority or profile, unless these are named. Answers how many. */
export async function revokeCapability(db: Database, { actor, at }: Change, grant: Grant): Promise<number> {
  let query = withTables<CoreTables>(db).deleteFrom('capabilities').where('capability', '=', grant.capability)
  if ('userId' in grant.to) query = query.where('user_id', '=', grant.to.userId)
  else query = query.where('role_id', '=', grant.to.roleId)
  if (grant.authorityId !== undefined) query = query.where('authority_id', '=', grant.authorityId)
  if (grant.profileId !== undefined) query = query.where('profile_id', '=', grant.profileId)
  const gone = await query.returning('id').execute()
  if (gone.length === 0) return 0
  await audit(db, actor, at, {
    action: 'capability.revoked',
    organizationId: grant.organizationId,
    subject:
      'userId' in grant.to ? { kind: 'user', id: grant.to.userId } : { kind: 'installation', id: grant.to.roleId },
    details: { ...grant, grants: gone.map(({ id }) => id) },
  })
  return gone.length
}
