import type { Selectable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import type { TokenScope } from './tokenScope.ts'

export interface User {
  id: number
  uuid: string
  organizationId: number
  /** Lower case; unique over the installation. */
  name: string
  superuser: boolean
  admin: boolean
  enabled: boolean
  /** Disabled for good. */
  removed?: true
}

/**
 * A user as he acts. Through a token with a scope that has no `admin`, `superuser` and `admin` are false, whatever he is
 * otherwise: `rank` says that.
 */
export interface ActingUser extends User {
  scope?: TokenScope
  rank: Pick<User, 'superuser' | 'admin'>
}

export interface Organization {
  id: number
  uuid: string
  name: string
}

/** Who changes an identity, and when. The caller has made sure that he may. */
export interface Change {
  actor: Requester
  at: Date
}

export function toUser(row: Selectable<CoreTables['users']>): User {
  return {
    id: row.id,
    uuid: row.uuid,
    organizationId: row.organization_id,
    name: row.name,
    superuser: row.superuser === 1,
    admin: row.admin === 1,
    enabled: row.enabled === 1,
    ...(row.removed_at === null ? {} : { removed: true }),
  }
}

/** A user as a requester. */
export function asRequester(user: User): Requester {
  return { kind: 'user', ref: user.uuid, name: user.name, people: [user.id] }
}

/** Throws Failure('conflict') when the name is taken. */
export async function createOrganization(db: Database, { actor, at }: Change, name: string): Promise<Organization> {
  const row = await withTables<CoreTables>(db)
    .insertInto('organizations')
    .values({ uuid: uuidv7(at), name: checkedName(name), created_at: at.getTime() })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning(['id', 'uuid', 'name'])
    .executeTakeFirst()
  if (!row) throw new Failure('conflict', `there is an organization ${name} already`)
  const subject = { kind: 'installation', id: row.id } as const
  await audit(db, actor, at, { action: 'organization.created', organizationId: row.id, subject, details: { name } })
  return row
}

export async function findOrganization(db: Database, name: string): Promise<Organization | undefined> {
  const tables = withTables<CoreTables>(db)
  return tables.selectFrom('organizations').select(['id', 'uuid', 'name']).where('name', '=', name).executeTakeFirst()
}

export interface NewUser {
  organizationId: number
  name: string
  superuser?: boolean
  admin?: boolean
}

/** Makes a user without a password; a setup link lets him choose one. Throws Failure('conflict') when the name is taken. */
export async function createUser(db: Database, { actor, at }: Change, user: NewUser): Promise<User> {
  const name = checkedUserName(user.name)
  const row = await withTables<CoreTables>(db)
    .insertInto('users')
    .values({
      uuid: uuidv7(at),
      organization_id: user.organizationId,
      name,
      password_hash: null,
      superuser: user.superuser ? 1 : 0,
      admin: user.admin ? 1 : 0,
      enabled: 1,
      created_at: at.getTime(),
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returningAll()
    .executeTakeFirst()
  if (!row) throw new Failure('conflict', `there is a user ${name} already`)
  const created = toUser(row)
  const details = { name, superuser: created.superuser, admin: created.admin }
  await auditUser(db, { actor, at }, { user: created, action: 'user.created', details })
  return created
}

export interface UserFlags {
  superuser?: boolean
  admin?: boolean
  enabled?: boolean
}

/** Enables, disables, raises or lowers a user. Throws Failure('notFound'). */
export async function changeUser(db: Database, change: Change, id: number, flags: UserFlags): Promise<User> {
  const columns = Object.entries(flags).flatMap(([name, on]) => (on === undefined ? [] : [[name, on ? 1 : 0]]))
  if (columns.length === 0) throw new Failure('malformed', 'nothing to change was given')
  const row = await withTables<CoreTables>(db)
    .updateTable('users')
    .set(Object.fromEntries(columns))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such user')
  await auditUser(db, change, { user: toUser(row), action: 'user.changed', details: { ...flags } })
  return toUser(row)
}

interface UserEvent {
  user: User
  action: string
  details?: Record<string, unknown>
}

/** An audit row about a user. */
export async function auditUser(db: Database, { actor, at }: Change, event: UserEvent): Promise<void> {
  await audit(db, actor, at, {
    action: event.action,
    organizationId: event.user.organizationId,
    subject: { kind: 'user', id: event.user.id },
    ...(event.details === undefined ? {} : { details: event.details }),
  })
}

export async function findUser(db: Database, ref: number | { name: string }): Promise<User | undefined> {
  const query = withTables<CoreTables>(db).selectFrom('users').selectAll()
  const row = await (typeof ref === 'number'
    ? query.where('id', '=', ref)
    : query.where('name', '=', ref.name.toLowerCase())
  ).executeTakeFirst()
  return row && toUser(row)
}

/** The users of an organization, or of all, by name. */
export async function listUsers(db: Database, organizationId?: number): Promise<User[]> {
  let query = withTables<CoreTables>(db).selectFrom('users').selectAll().orderBy('name')
  if (organizationId !== undefined) query = query.where('organization_id', '=', organizationId)
  return (await query.execute()).map(toUser)
}

/** Names by which people log in and are named in rules: no two that look alike. Lower case. Throws Failure('malformed'). */
export function checkedUserName(given: string): string {
  if (isUserName(given)) return given.toLowerCase()
  throw new Failure(
    'malformed',
    'the name of a user has 1 to 99 of a-z, 0-9 and . _ @ -, and begins with a letter or digit',
  )
}

/** Whether a user can have that name, in whatever case it is written. */
export function isUserName(name: string): boolean {
  return /^[a-z0-9][a-z0-9._@-]{0,98}$/.test(name.toLowerCase())
}

/** Names of groups of people and of what they keep: printable, without white space at the ends. Throws Failure('malformed'). */
export function checkedName(name: string): string {
  if (/^[\p{L}\p{N}._@+-][\p{L}\p{N}._@+ -]{0,98}$/u.test(name) && name === name.trim()) return name
  throw new Failure('malformed', 'a name has 1 to 99 letters, digits, spaces and . _ @ + -')
}
