import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import {
  type Actor,
  type AdminContext,
  actorOf,
  administers,
  isSuperuser,
  organizationFor,
  requireAdministrator,
} from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { type Capability, revokeCapability } from './capability.ts'
import { addRole, findRole, removeRoleMember } from './role.ts'

/** A role of an organization: who has it, and what it is good for. */
export interface RoleView {
  uuid: string
  name: string
  organization: string
  /** Names of users. */
  members: string[]
  /** Null: every authority, every profile. */
  capabilities: { capability: Capability; authority: string | null; profile: string | null }[]
}

/** See Identities.roles. */
export async function viewRoles({ it, requester }: AdminContext): Promise<RoleView[]> {
  const actor = await actorOf(it.db, requester)
  const rows = await visibleRoles(it.db, actor).orderBy('roles.name').orderBy('roles.id').execute()
  return Promise.all(rows.map((row) => toView(it.db, row)))
}

/** See Identities.role. */
export async function viewRole({ it, requester }: AdminContext, uuid: string): Promise<RoleView> {
  return toView(it.db, await findRoleRow(it.db, await actorOf(it.db, requester), uuid))
}

/** See Identities.createRole. */
export async function newRole(
  context: AdminContext,
  { name, organization }: { name: string; organization?: string },
): Promise<RoleView> {
  const { it, requester } = context
  const { uuid } = await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { id } = await organizationFor(db, actor, organization)
    requireAdministrator(actor, id)
    return addRole(db, { actor: requester, at: it.clock() }, id, name)
  })
  return viewRole(context, uuid)
}

/** See Identities.deleteRole. */
export async function deletedRole({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const change = { actor: requester, at: it.clock() }
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { id, name, organization_id: organizationId } = await findRoleRow(db, actor, uuid)
    requireAdministrator(actor, organizationId)
    if (!(await findRole(db, organizationId, name))) throw new Failure('notFound', 'there is no such role')
    const tables = withTables<CoreTables>(db)
    const members = await tables.selectFrom('role_members').select('user_id').where('role_id', '=', id).execute()
    for (const { user_id: userId } of members)
      await removeRoleMember(db, change, { role: { id, uuid, organizationId, name }, userId })
    const granted = tables.selectFrom('capabilities').select('capability').distinct().where('role_id', '=', id)
    for (const { capability } of await granted.execute())
      await revokeCapability(db, change, { capability: capability as Capability, to: { roleId: id }, organizationId })
    await tables.deleteFrom('roles').where('id', '=', id).execute()
    await audit(db, requester, change.at, {
      action: 'role.deleted',
      organizationId,
      subject: { kind: 'installation', id },
      details: { role: name },
    })
  })
}

function visibleRoles(db: Database, actor: Actor) {
  const query = withTables<CoreTables>(db)
    .selectFrom('roles')
    .innerJoin('organizations', 'organizations.id', 'roles.organization_id')
    .selectAll('roles')
    .select('organizations.name as organization')
  if (isSuperuser(actor) || !actor.user) return query
  const own = query.where('roles.organization_id', '=', actor.user.organizationId)
  if (administers(actor, actor.user.organizationId)) return own
  // Whoever administers nothing sees the roles that he has.
  const { id } = actor.user
  return own.where('roles.id', 'in', (eb) => eb.selectFrom('role_members').select('role_id').where('user_id', '=', id))
}

type RoleRow = Awaited<ReturnType<ReturnType<typeof visibleRoles>['execute']>>[number]

async function findRoleRow(db: Database, actor: Actor, uuid: string): Promise<RoleRow> {
  const row = await visibleRoles(db, actor).where('roles.uuid', '=', uuid).executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such role')
  return row
}

async function toView(db: Database, { id, uuid, name, organization }: RoleRow): Promise<RoleView> {
  const tables = withTables<CoreTables>(db)
  const members = await tables
    .selectFrom('role_members')
    .innerJoin('users', 'users.id', 'role_members.user_id')
    .select('users.name')
    .where('role_id', '=', id)
    .orderBy('users.name')
    .execute()
  const granted = await tables
    .selectFrom('capabilities')
    .leftJoin('authorities', 'authorities.id', 'capabilities.authority_id')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'capabilities.profile_id')
    .select(['capability', 'authorities.name as authority', 'ra_profiles.name as profile'])
    .where('role_id', '=', id)
    .orderBy('capability')
    .orderBy('capabilities.id')
    .execute()
  const capabilities = granted.map((row) => ({ ...row, capability: row.capability as Capability }))
  return { uuid, name, organization, members: members.map((member) => member.name), capabilities }
}
