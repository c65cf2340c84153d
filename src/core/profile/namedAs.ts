import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Circle } from '../approval/eligible.ts'
import type { User } from '../identity/identity.ts'
import type { CoreTables } from '../tables.ts'

/** By what the steps of rules name somebody. */
interface Named {
  id: number
  name: string
  roles: string[]
  groups: string[]
  /** Ids of the authorities that he owns. */
  owned: number[]
}

/** A user himself, or one for whom he votes, on what he does so. */
export interface NamedAs extends Named {
  delegation?: { authority_id: number | null; profile_id: number | null }
}

/** All as whom a user may vote at a moment: himself, and those who have delegated their votes to him. */
export async function namesakesOf(db: Database, user: User, at: Date): Promise<NamedAs[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('delegations')
    .innerJoin('users', 'users.id', 'delegations.delegator_id')
    .select(['users.id', 'users.name', 'delegations.authority_id', 'delegations.profile_id'])
    .where('delegations.delegate_id', '=', user.id)
    .where('delegations.organization_id', '=', user.organizationId)
    .where('delegations.ended_at', 'is', null)
    .where('delegations.from_at', '<=', at.getTime())
    .where('delegations.until_at', '>', at.getTime())
    .where('users.enabled', '=', 1)
    .execute()
  const all: NamedAs[] = [await namedBy(db, user)]
  for (const { authority_id, profile_id, ...delegator } of rows)
    all.push({ ...(await namedBy(db, delegator)), delegation: { authority_id, profile_id } })
  return all
}

async function namedBy(db: Database, { id, name }: Pick<User, 'id' | 'name'>): Promise<Named> {
  const tables = withTables<CoreTables>(db)
  const roles = tables
    .selectFrom('role_members')
    .innerJoin('roles', 'roles.id', 'role_members.role_id')
    .select('roles.name')
    .where('role_members.user_id', '=', id)
  const groups = tables
    .selectFrom('group_members')
    .innerJoin('groups', 'groups.id', 'group_members.group_id')
    .select('groups.name')
    .where('group_members.user_id', '=', id)
  const owned = await tables.selectFrom('authorities').select('id').where('owner_id', '=', id).execute()
  return {
    id,
    name,
    roles: (await roles.execute()).map((role) => role.name),
    groups: (await groups.execute()).map((group) => group.name),
    owned: owned.map((authority) => authority.id),
  }
}

/** What a step is asked about. */
interface Place {
  authority_id: number
  profile_id: number | null
  /** Ids of the users behind the request. */
  people: readonly number[]
}

/** Whether a step names him, or names one for whom he votes there. */
export function isNamed({ id, name, roles, groups, owned, delegation }: NamedAs, circle: Circle, at: Place): boolean {
  if (delegation && !holdsFor(delegation, at)) return false
  if (delegation && at.people.includes(id)) return false
  return (
    circle.users.some((user) => user.toLowerCase() === name) ||
    circle.roles.some((role) => roles.includes(role)) ||
    (circle.groups ?? []).some((group) => groups.includes(group)) ||
    (circle.owner && owned.includes(at.authority_id))
  )
}

function holdsFor({ authority_id, profile_id }: NonNullable<NamedAs['delegation']>, at: Place): boolean {
  return (
    (authority_id === null || authority_id === at.authority_id) && (profile_id === null || profile_id === at.profile_id)
  )
}
