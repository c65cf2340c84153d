import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { GrantView, UserView } from '../admin.ts'
import { type Actor, type AdminContext, actorOf, administers, isSuperuser } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { findUser, type User } from './identity.ts'

/** Every user for a superuser, those of his organization for its administrator, himself for anybody else; by name. */
export async function viewUsers({ it, requester }: AdminContext): Promise<UserView[]> {
  const actor = await actorOf(it.db, requester)
  let query = userRows(it.db).where('users.removed_at', 'is', null)
  if (!isSuperuser(actor) && actor.user) {
    query = actor.user.admin
      ? query.where('users.organization_id', '=', actor.user.organizationId)
      : query.where('users.id', '=', actor.user.id)
  }
  const rows = await query.execute()
  return Promise.all(rows.map((row) => toView(it.db, row)))
}

/** Throws Failure('notFound'). The caller has made sure that it may be seen. */
export async function viewUser(db: Database, id: number): Promise<UserView> {
  const row = await userRows(db).where('users.id', '=', id).executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such user')
  return toView(db, row)
}

/** A user whom the actor administers. Throws Failure('notFound') also for one of another organization, 'forbidden'. */
export async function administeredUser(db: Database, actor: Actor, name: string): Promise<User> {
  const user = await findUser(db, { name })
  if (!user || user.removed || (!isSuperuser(actor) && actor.user?.organizationId !== user.organizationId)) {
    throw new Failure('notFound', `there is no user ${name}`)
  }
  if (!administers(actor, user.organizationId))
    throw new Failure('forbidden', 'this needs an administrator of the organization')
  if (user.superuser && !isSuperuser(actor)) throw new Failure('forbidden', 'only a superuser changes a superuser')
  return user
}

function userRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('users')
    .innerJoin('organizations', 'organizations.id', 'users.organization_id')
    .selectAll('users')
    .select('organizations.name as organization')
    .orderBy('users.name')
}

async function toView(
  db: Database,
  row: Awaited<ReturnType<ReturnType<typeof userRows>['execute']>>[number],
): Promise<UserView> {
  const roles = await withTables<CoreTables>(db)
    .selectFrom('role_members')
    .innerJoin('roles', 'roles.id', 'role_members.role_id')
    .select(['roles.id', 'roles.name'])
    .where('role_members.user_id', '=', row.id)
    .orderBy('roles.name')
    .execute()
  return {
    id: row.id,
    name: row.name,
    uuid: row.uuid,
    organization: row.organization,
    superuser: row.superuser === 1,
    admin: row.admin === 1,
    enabled: row.enabled === 1,
    roles: roles.map(({ name }) => name),
    grants: await grantsOf(
      db,
      row.id,
      roles.map(({ id }) => id),
    ),
    hasPassword: row.password_hash !== null,
    createdAt: new Date(row.created_at),
  }
}

async function grantsOf(db: Database, userId: number, roleIds: number[]): Promise<GrantView[]> {
  return withTables<CoreTables>(db)
    .selectFrom('capabilities')
    .leftJoin('roles', 'roles.id', 'capabilities.role_id')
    .leftJoin('authorities', 'authorities.id', 'capabilities.authority_id')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'capabilities.profile_id')
    .select(['capability', 'roles.name as role', 'authorities.name as authority', 'ra_profiles.name as profile'])
    .where(({ or, eb }) =>
      or([eb('user_id', '=', userId), ...(roleIds.length > 0 ? [eb('role_id', 'in', roleIds)] : [])]),
    )
    .orderBy('capability')
    .orderBy('capabilities.id')
    .execute() as Promise<GrantView[]>
}
