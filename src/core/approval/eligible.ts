import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { toUser, type User } from '../identity/identity.ts'
import type { ApprovalStep } from '../profile/rule.ts'
import type { CoreTables } from '../tables.ts'

/** Those whom a step, or its escalation, names. */
export type Circle = Pick<ApprovalStep, 'users' | 'roles' | 'groups' | 'owner'>

/** Where a request belongs: whose roles and groups count, and who the owner is. */
export interface Home {
  organizationId: number
  authorityId: number
}

/**
 * The enabled users whom a step names, by user name, by a role or group of the request's organization, or as the owner of its
 * authority; by name. Someone of another organization counts only as a superuser. Separation of duties is not looked at.
 */
export async function eligibleUsers(db: Database, step: Circle, home: Home): Promise<User[]> {
  const named = step.users.map((name) => name.toLowerCase())
  const rows = await withTables<CoreTables>(db)
    .selectFrom('users')
    .selectAll()
    .where('enabled', '=', 1)
    .where(({ or, eb }) => or([eb('organization_id', '=', home.organizationId), eb('superuser', '=', 1)]))
    .where(({ or, eb, selectFrom }) =>
      or([
        ...(named.length > 0 ? [eb('name', 'in', named)] : []),
        ...(step.roles.length > 0
          ? [
              eb(
                'id',
                'in',
                selectFrom('role_members')
                  .innerJoin('roles', 'roles.id', 'role_members.role_id')
                  .select('role_members.user_id')
                  .where('roles.organization_id', '=', home.organizationId)
                  .where('roles.name', 'in', step.roles),
              ),
            ]
          : []),
        ...(step.groups && step.groups.length > 0
          ? [
              eb(
                'id',
                'in',
                selectFrom('group_members')
                  .innerJoin('groups', 'groups.id', 'group_members.group_id')
                  .select('group_members.user_id')
                  .where('groups.organization_id', '=', home.organizationId)
                  .where('groups.name', 'in', step.groups),
              ),
            ]
          : []),
        ...(step.owner
          ? [eb('id', '=', selectFrom('authorities').select('owner_id').where('authorities.id', '=', home.authorityId))]
          : []),
      ]),
    )
    .orderBy('name')
    .execute()
  return rows.map(toUser)
}
