import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { auditUser, type Change, checkedName, findUser } from './identity.ts'

export interface Role {
  id: number
  uuid: string
  organizationId: number
  name: string
}

/** Throws Failure('conflict') when the organization has a role of that name. */
export async function addRole(
  db: Database,
  { actor, at }: Change,
  organizationId: number,
  name: string,
): Promise<Role> {
  const row = await withTables<CoreTables>(db)
    .insertInto('roles')
    .values({ uuid: uuidv7(at), organization_id: organizationId, name: checkedName(name) })
    .onConflict((conflict) => conflict.columns(['organization_id', 'name']).doNothing())
    .returning(['id', 'uuid'])
    .executeTakeFirst()
  if (!row) throw new Failure('conflict', `there is a role ${name} already`)
  const subject = { kind: 'installation', id: row.id } as const
  await audit(db, actor, at, { action: 'role.created', organizationId, subject, details: { role: name } })
  return { ...row, organizationId, name }
}

/** Its row locked until the transaction ends: nobody joins a role, or is granted something by it, that is being deleted. */
export async function findRole(db: Database, organizationId: number, name: string): Promise<Role | undefined> {
  const query = withTables<CoreTables>(db)
    .selectFrom('roles')
    .select(['id', 'uuid'])
    .where('organization_id', '=', organizationId)
    .where('name', '=', name)
  const row = await forUpdate(db, query).executeTakeFirst()
  return row && { ...row, organizationId, name }
}

interface Membership {
  role: Role
  userId: number
}

/** Throws Failure('notFound') for a user of another organization. Adding twice changes nothing. */
export async function addRoleMember(db: Database, change: Change, { role, userId }: Membership): Promise<void> {
  const user = await findUser(db, userId)
  if (user?.organizationId !== role.organizationId) throw new Failure('notFound', 'there is no such user')
  const added = await withTables<CoreTables>(db)
    .insertInto('role_members')
    .values({ role_id: role.id, user_id: userId })
    .onConflict((conflict) => conflict.columns(['role_id', 'user_id']).doNothing())
    .returning('role_id')
    .executeTakeFirst()
  if (added) await auditUser(db, change, { user, action: 'user.role_added', details: { role: role.name } })
}

/** Taking a role from someone who does not have it changes nothing. */
export async function removeRoleMember(db: Database, change: Change, { role, userId }: Membership): Promise<void> {
  const removed = await withTables<CoreTables>(db)
    .deleteFrom('role_members')
    .where('role_id', '=', role.id)
    .where('user_id', '=', userId)
    .returning('role_id')
    .executeTakeFirst()
  const user = await findUser(db, userId)
  if (removed && user) await auditUser(db, change, { user, action: 'user.role_removed', details: { role: role.name } })
}

/** Names of the roles of a user. */
export async function rolesOf(db: Database, userId: number): Promise<string[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('role_members')
    .innerJoin('roles', 'roles.id', 'role_members.role_id')
    .select('roles.name')
    .where('role_members.user_id', '=', userId)
    .orderBy('roles.name')
    .execute()
  return rows.map(({ name }) => name)
}
