import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { UserView } from '../admin.ts'
import { type AdminContext, actorOf, organizationFor, requireAdministrator, requireSuperuser } from '../adminActor.ts'
import { aboutUser, tellOfOperator } from '../audit/operatorAlert.ts'
import { Failure } from '../failure.ts'
import { type Capability, revokeCapability } from '../identity/capability.ts'
import { auditUser, changeUser, createUser, type User, type UserFlags } from '../identity/identity.ts'
import { type Role, removeRoleMember } from '../identity/role.ts'
import { administeredUser, viewUser } from '../identity/userView.ts'
import type { CoreTables } from '../tables.ts'
import { hasWayIn, holdWaysIn } from './binding.ts'
import { createSetupLink } from './login.ts'
import { endSessionsOf } from './session.ts'
import { revokeTokensOf } from './token.ts'

/** See Admin.createUser. Needs an administrator of the organization; a superuser is made by superusers only. */
export async function newUser(
  { it, requester }: AdminContext,
  draft: { name: string; organization?: string; superuser?: boolean; admin?: boolean },
): Promise<UserView> {
  const at = it.clock()
  const { id } = await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { id: organizationId } = await organizationFor(db, actor, draft.organization)
    requireAdministrator(actor, organizationId)
    if (draft.superuser) requireSuperuser(actor)
    const { name, superuser = false, admin = false } = draft
    const user = await createUser(db, { actor: requester, at }, { name, organizationId, superuser, admin })
    if (superuser || admin)
      await tellOfOperator(db, actor, { at, ...aboutUser(user), what: `made ${user.name} ${powerOf(user)}` })
    return user
  })
  return viewUser(it.db, id)
}

/**
 * See Admin.changeUser. Needs an administrator of the organization; the flag superuser, and every flag of a superuser, is
 * changed by superusers only. The last enabled superuser stays what he is: Failure('conflict').
 */
export async function changedUser({ it, requester }: AdminContext, name: string, flags: UserFlags): Promise<UserView> {
  const at = it.clock()
  const { id } = await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const user = await administeredUser(db, actor, name)
    if (flags.superuser !== undefined) requireSuperuser(actor)
    if (user.superuser && (flags.superuser === false || flags.enabled === false))
      await requireAnotherSuperuser(db, user)
    const changed = await changeUser(db, { actor: requester, at }, user.id, flags)
    if (flags.enabled === false) await endSessionsOf(db, { actor: requester, at }, user, 'disabled')
    if (flags.superuser || flags.admin)
      await tellOfOperator(db, actor, { at, ...aboutUser(user), what: `made ${user.name} ${powerOf(changed)}` })
    return changed
  })
  return viewUser(it.db, id)
}

function powerOf({ superuser }: User): string {
  return superuser ? 'a superuser' : 'an administrator'
}

/** Holds all superusers until the transaction ends, in one order: of two who lower each other at once one comes too late. */
async function requireAnotherSuperuser(db: Database, user: User): Promise<void> {
  const query = withTables<CoreTables>(db)
    .selectFrom('users')
    .select('id')
    .where('superuser', '=', 1)
    .where('enabled', '=', 1)
    .orderBy('id')
  const rows = await forUpdate(db, query).execute()
  if (!rows.some(({ id }) => id !== user.id))
    throw new Failure('conflict', `${user.name} is the last superuser who is enabled`)
}

/** See Identities.removeUser. */
export async function removedUser({ it, requester }: AdminContext, name: string): Promise<void> {
  const change = { actor: requester, at: it.clock() }
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const user = await administeredUser(db, actor, name)
    if (user.superuser) await requireAnotherSuperuser(db, user)
    if (user.id === actor.user?.id) throw new Failure('conflict', 'nobody removes himself: ask another administrator')
    const tables = withTables<CoreTables>(db)
    await endSessionsOf(db, change, user, 'removed')
    await revokeTokensOf(db, change, user.id)
    for (const role of await rolesOf(db, user)) await removeRoleMember(db, change, { role, userId: user.id })
    const to = { userId: user.id }
    for (const capability of await capabilitiesOf(db, user))
      await revokeCapability(db, change, { capability, to, organizationId: user.organizationId })
    for (const table of ['setup_links', 'user_identities', 'user_certificates'] as const)
      await tables.deleteFrom(table).where('user_id', '=', user.id).execute()
    await tables
      .updateTable('users')
      .set({ enabled: 0, superuser: 0, admin: 0, password_hash: null, removed_at: change.at.getTime() })
      .where('id', '=', user.id)
      .execute()
    await auditUser(db, change, { user, action: 'user.removed' })
  })
}

async function rolesOf(db: Database, { id, organizationId }: User): Promise<Role[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('role_members')
    .innerJoin('roles', 'roles.id', 'role_members.role_id')
    .select(['roles.id', 'roles.uuid', 'roles.name'])
    .where('role_members.user_id', '=', id)
    .execute()
  return rows.map((row) => ({ ...row, organizationId }))
}

async function capabilitiesOf(db: Database, { id }: User): Promise<Capability[]> {
  const query = withTables<CoreTables>(db).selectFrom('capabilities').select('capability').distinct()
  return (await query.where('user_id', '=', id).execute()).map(({ capability }) => capability as Capability)
}

/**
 * See Admin.createSetupLink. A link sets a password and so gives its user's votes to whoever holds it: administrators and
 * the local operator make one only for a user who cannot log in yet, and only superusers for one who can.
 */
export async function setupLink(
  { it, requester }: AdminContext,
  name: string,
): Promise<{ secret: string; expiresAt: Date }> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const user = await administeredUser(db, actor, name)
    if (!user.enabled) throw new Failure('conflict', `${user.name} is disabled`)
    await holdWaysIn(db, user)
    if (!actor.user?.superuser && (await hasWayIn(db, user))) {
      throw new Failure(
        'forbidden',
        `${user.name} has a password already, or another way to log in; only a superuser, with a token or password of his own, makes a link to set one`,
      )
    }
    await tellOfOperator(db, actor, { at, ...aboutUser(user), what: `made a setup link for ${user.name}` })
    return createSetupLink(db, { actor: requester, at }, user.id)
  })
}
