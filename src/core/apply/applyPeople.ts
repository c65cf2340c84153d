import { withTables } from '../../db/tables.ts'
import type { GrantDraft, UserView } from '../admin.ts'
import { canonicalJson } from '../canonicalJson.ts'
import { Failure } from '../failure.ts'
import { findOrganization, findUser } from '../identity/identity.ts'
import { newOrganization } from '../identity/organizationAdmin.ts'
import { newRole, type RoleView, viewRoles } from '../identity/roleAdmin.ts'
import { viewUser } from '../identity/userView.ts'
import { addToRole, grant, removeFromRole, ungrant } from '../login/grantAdmin.ts'
import { createGroups, type GroupView } from '../login/groups.ts'
import { changedUser, newUser } from '../login/userAdmin.ts'
import type { CoreTables } from '../tables.ts'
import type { Entry } from './applySchema.ts'
import type { ApplyChange } from './applyWork.ts'
import {
  attempt,
  changedOrSame,
  created,
  differences,
  each,
  type FieldChange,
  type Home,
  homeOf,
  type Work,
} from './applyWork.ts'

type Grants = NonNullable<Entry<'roles'>['grants']>

/** Organizations, then who is in them, then their roles and groups. What is granted follows when all that it names is there. */
export async function applyPeople(work: Work): Promise<void> {
  await each(work, 'organizations', (entry) => organization(work, entry))
  await each(work, 'users', (entry) => user(work, entry))
  const roles = work.document.roles.length > 0 ? await viewRoles(work.context) : []
  await each(work, 'roles', (entry) => role(work, entry, roles))
  const groups = work.document.groups.length > 0 ? await createGroups(work.context).list() : []
  await each(work, 'groups', (entry) => group(work, entry, groups))
}

async function organization(work: Work, { name }: Entry<'organizations'>): Promise<ApplyChange> {
  // One that the user does not see is refused as a name that is taken.
  const known = await findOrganization(work.db, name)
  if (
    known &&
    (work.actor.user === undefined || work.actor.user.superuser || work.actor.user.organizationId === known.id)
  )
    return changedOrSame('organizations', name, known, [])
  const made = await newOrganization(work.context, name)
  return created('organizations', name, { id: 0, name: made.name }, {})
}

async function user(work: Work, { organization, grants, ...entry }: Entry<'users'>): Promise<ApplyChange> {
  const home = await homeOf(work, organization)
  const known = await findUser(work.db, { name: entry.name })
  if (known && (known.organizationId !== home.id || known.removed))
    throw new Failure('conflict', `there is a user ${entry.name} already, in another organization or removed`)
  const { name, enabled, admin, superuser } = entry
  const flags = { ...(admin === undefined ? {} : { admin }), ...(superuser === undefined ? {} : { superuser }) }
  if (!known) {
    const made = await newUser(work.context, { name, organization: home.name, ...flags })
    if (enabled === false) await changedUser(work.context, name, { enabled })
    grantLater(work, 'users', { user: made.name }, { wanted: grants, known: [] })
    return created('users', made.name, home, { enabled: enabled ?? true, ...flags, grants })
  }
  const view = await viewUser(work.db, known.id)
  const fields = differences({ ...known }, { ...(enabled === undefined ? {} : { enabled }), ...flags })
  if (fields.length > 0)
    await changedUser(work.context, name, Object.fromEntries(fields.map(({ field, to }) => [field, to === true])))
  const own = ownGrants(view)
  grantLater(work, 'users', { user: known.name }, { wanted: grants, known: own })
  return changedOrSame('users', known.name, home, [...fields, ...grantChange(grants, own)])
}

/** Without those that he has by a role. */
export function ownGrants({ grants }: UserView): Grants {
  return plain(grants.filter(({ role }) => role === null))
}

/** Without nulls, each once, in one order. */
export function plain(
  grants: readonly { capability: Grants[number]['capability']; authority?: string | null; profile?: string | null }[],
): Grants {
  const made = grants.map(({ capability, authority, profile }) => ({
    capability,
    ...(authority == null ? {} : { authority }),
    ...(profile == null ? {} : { profile }),
  }))
  const texts = [...new Set(made.map((one) => canonicalJson(one)))].sort()
  return texts.map((one) => JSON.parse(one))
}

function grantChange(wanted: Grants | undefined, known: Grants): FieldChange[] {
  return wanted === undefined
    ? []
    : differences({ grants: known }, { grants: plain(wanted as Parameters<typeof plain>[0]) })
}

/** Grants name authorities and profiles of the same file. */
function grantLater(
  work: Work,
  kind: 'users' | 'roles',
  to: Pick<GrantDraft, 'user' | 'role' | 'organization'>,
  { wanted: given, known }: { wanted: Grants | undefined; known: Grants },
): void {
  if (given === undefined) return
  const name = to.user ?? to.role ?? ''
  const index = work.document[kind].findIndex((entry) => entry.name === name || entry.name.toLowerCase() === to.user)
  work.later.push(() =>
    attempt(work, [kind, index], async () => {
      const texts = (grants: Grants) => new Set(grants.map((one) => canonicalJson(one)))
      const wanted = plain(given as Parameters<typeof plain>[0])
      const gone = new Set(
        known.filter((one) => !texts(wanted).has(canonicalJson(one))).map(({ capability }) => capability),
      )
      // What is taken back is a capability as a whole; what of it stays is granted again.
      for (const capability of gone) await ungrant(work.context, { ...to, capability })
      for (const one of wanted)
        if (gone.has(one.capability) || !texts(known).has(canonicalJson(one)))
          await grant(work.context, { ...to, ...(one as GrantDraft) })
    }),
  )
}

async function role(work: Work, entry: Entry<'roles'>, roles: RoleView[]): Promise<ApplyChange> {
  const home = await homeOf(work, entry.organization)
  const { name, grants } = entry
  const members = await membersIn(work, home, entry.members)
  const known = roles.find((one) => one.name === name && one.organization === home.name)
  if (!known) await newRole(work.context, { name, organization: home.name })
  const before = known?.members ?? []
  for (const member of members ?? []) if (!before.includes(member)) await addToRole(work.context, member, name)
  for (const member of before)
    if (members && !members.includes(member)) await removeFromRole(work.context, member, name)
  const own = plain(known?.capabilities ?? [])
  grantLater(work, 'roles', { role: name, organization: home.name }, { wanted: grants, known: own })
  if (!known) return created('roles', name, home, { members, grants })
  return changedOrSame('roles', name, home, [
    ...differences({ members: before }, { members }),
    ...grantChange(grants, own),
  ])
}

/** Users of that organization, as they are called, in order. Throws Failure('notFound'). */
async function membersIn(work: Work, home: Home, names: string[] | undefined): Promise<string[] | undefined> {
  if (names === undefined) return undefined
  const wanted = [...new Set(names.map((name) => name.toLowerCase()))].sort()
  if (wanted.length === 0) return []
  const rows = await withTables<CoreTables>(work.db)
    .selectFrom('users')
    .select('name')
    .where('organization_id', '=', home.id)
    .where('removed_at', 'is', null)
    .where('name', 'in', wanted)
    .execute()
  const missing = wanted.find((name) => !rows.some((row) => row.name === name))
  if (missing !== undefined)
    throw new Failure('notFound', `there is no user ${missing} in the organization ${home.name}`)
  return wanted
}

async function group(work: Work, entry: Entry<'groups'>, groups: GroupView[]): Promise<ApplyChange> {
  const home = await homeOf(work, entry.organization)
  const { name, description, email } = entry
  const members = await membersIn(work, home, entry.members)
  const known = groups.find((one) => one.name === name && one.organization === home.name)
  const its = createGroups(work.context)
  const ref = { name, organization: home.name }
  const fields = differences({ ...known }, { description, email })
  if (!known) {
    const more = { ...(description == null ? {} : { description }), ...(email == null ? {} : { email }) }
    await its.create({ ...ref, ...more })
  } else if (description !== undefined || email !== undefined) {
    // null empties; differences leaves it out.
    const change = { ...(description === undefined ? {} : { description }), ...(email === undefined ? {} : { email }) }
    if (fields.length > 0) await its.change(ref, change)
  }
  const before = known?.members ?? []
  for (const member of members ?? []) if (!before.includes(member)) await its.addMember(ref, member)
  for (const member of before) if (members && !members.includes(member)) await its.removeMember(ref, member)
  if (!known) return created('groups', name, home, { description, email, members })
  return changedOrSame('groups', name, home, [...fields, ...differences({ members: [...before].sort() }, { members })])
}
