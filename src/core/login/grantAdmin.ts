import type { Database } from '../../db/open.ts'
import { transaction } from '../../db/transaction.ts'
import type { GrantDraft } from '../admin.ts'
import { type Actor, type AdminContext, actorOf, organizationFor, requireAdministrator } from '../adminActor.ts'
import { aboutUser, tellOfOperator } from '../audit/operatorAlert.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { Failure } from '../failure.ts'
import { capabilities, type Grant, grantCapability, revokeCapability } from '../identity/capability.ts'
import { addRole, addRoleMember, findRole, removeRoleMember } from '../identity/role.ts'
import { administeredUser } from '../identity/userView.ts'
import { findProfileRow } from '../profile/profileAdmin.ts'

/** Puts a user into a role of his organization, which is made if it is not there. Needs an administrator. */
export async function addToRole({ it, requester }: AdminContext, userName: string, roleName: string): Promise<void> {
  const change = { actor: requester, at: it.clock() }
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const user = await administeredUser(db, actor, userName)
    const { id: userId, organizationId } = user
    const role = (await findRole(db, organizationId, roleName)) ?? (await addRole(db, change, organizationId, roleName))
    await addRoleMember(db, change, { role, userId })
    const what = `put ${user.name} into the role ${roleName}`
    await tellOfOperator(db, actor, { at: change.at, ...aboutUser(user), what })
  })
}

/** Takes a user out of a role. Needs an administrator. Throws Failure('notFound') for a role that is not there. */
export async function removeFromRole(
  { it, requester }: AdminContext,
  userName: string,
  roleName: string,
): Promise<void> {
  await transaction(it.db, async (db) => {
    const { id: userId, organizationId } = await administeredUser(db, await actorOf(db, requester), userName)
    const role = await findRole(db, organizationId, roleName)
    if (!role) throw new Failure('notFound', `there is no role ${roleName}`)
    await removeRoleMember(db, { actor: requester, at: it.clock() }, { role, userId })
  })
}

/** See Admin.grant. Needs an administrator of the organization. */
export async function grant({ it, requester }: AdminContext, draft: GrantDraft): Promise<void> {
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const at = it.clock()
    const { to, organizationId, capability, ...on } = await resolve(db, actor, draft)
    await grantCapability(db, { actor: requester, at }, { to, organizationId, capability, ...on })
    const subject =
      'userId' in to ? { kind: 'user' as const, id: to.userId } : { kind: 'installation' as const, id: to.roleId }
    const what = `granted ${capability} to ${draft.user ?? `the role ${draft.role}`}`
    await tellOfOperator(db, actor, { at, organizationId, subject, what })
  })
}

/** See Admin.ungrant. */
export async function ungrant({ it, requester }: AdminContext, draft: GrantDraft): Promise<number> {
  return transaction(it.db, async (db) => {
    const resolved = await resolve(db, await actorOf(db, requester), draft)
    return revokeCapability(db, { actor: requester, at: it.clock() }, resolved)
  })
}

/** Everything that a grant names belongs to one organization, which the actor administers. */
async function resolve(db: Database, actor: Actor, draft: GrantDraft): Promise<Grant> {
  if (!capabilities.includes(draft.capability))
    throw new Failure('malformed', `the capabilities are ${capabilities.join(', ')}`)
  const { to, organizationId } = await holder(db, actor, draft)
  requireAdministrator(actor, organizationId)
  const authority = draft.authority === undefined ? undefined : await findAuthorityRow(db, actor, draft.authority)
  const profile = draft.profile === undefined ? undefined : await findProfileRow(db, actor, draft.profile)
  if (authority && authority.organization_id !== organizationId)
    throw new Failure('notFound', `there is no authority ${draft.authority} in that organization`)
  if (draft.profile !== undefined && profile?.organization_id !== organizationId) {
    throw new Failure('notFound', `there is no profile ${draft.profile} in that organization`)
  }
  return {
    capability: draft.capability,
    to,
    organizationId,
    ...(authority ? { authorityId: authority.id } : {}),
    ...(profile ? { profileId: profile.id } : {}),
  }
}

async function holder(db: Database, actor: Actor, draft: GrantDraft): Promise<Pick<Grant, 'to' | 'organizationId'>> {
  if ((draft.user === undefined) === (draft.role === undefined))
    throw new Failure('malformed', 'a grant names a user or a role')
  if (draft.user !== undefined) {
    const { id: userId, organizationId } = await administeredUser(db, actor, draft.user)
    return { to: { userId }, organizationId }
  }
  const { id: organizationId } = await organizationFor(db, actor, draft.organization)
  requireAdministrator(actor, organizationId)
  const role = await findRole(db, organizationId, draft.role ?? '')
  if (!role) throw new Failure('notFound', `there is no role ${draft.role}`)
  return { to: { roleId: role.id }, organizationId }
}
