import type { JWTPayload } from 'jose'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import {
  auditUser,
  type Change,
  createUser,
  findOrganization,
  isUserName,
  toUser,
  type User,
} from '../identity/identity.ts'
import { addRole, addRoleMember, findRole, removeRoleMember, rolesOf } from '../identity/role.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import type { OidcSettings } from './oidcSettings.ts'

function isStorable(subject: string): boolean {
  return !/[\p{Cc}\p{Cs}]/u.test(subject)
}

/** The enabled user whom a subject of the provider was linked to; undefined when there is none. */
export async function findBySubject(db: Database, issuer: string, subject: string): Promise<User | undefined> {
  if (!isStorable(subject)) return undefined
  const row = await withTables<CoreTables>(db)
    .selectFrom('user_identities')
    .innerJoin('users', 'users.id', 'user_identities.user_id')
    .selectAll('users')
    .where('user_identities.issuer', '=', issuer)
    .where('user_identities.subject', '=', subject)
    .where('users.enabled', '=', 1)
    .executeTakeFirst()
  return row && toUser(row)
}

/**
 * Who logs in, in the caller's transaction: the user whom the subject is linked to, or, where users are made at login, a new
 * one; his roles then are as the claims have them. A name that is taken is nobody's claim to its user.
 * Throws Failure('forbidden').
 */
export async function userAtLogin(
  db: Database,
  settings: OidcSettings,
  claims: JWTPayload & { sub: string },
  at: Date,
): Promise<User> {
  // No database keeps these, and nobody is called so: a name in a log or a table would be read as another.
  if (!isStorable(claims.sub)) throw new Failure('forbidden', 'the provider tells a subject that nobody can have')
  const change = { actor: system('openid'), at }
  const user = (await findBySubject(db, settings.issuer, claims.sub)) ?? (await provision(db, settings, claims, change))
  await followRoles(db, settings, { claims, user, change })
  return user
}

async function provision(
  db: Database,
  settings: OidcSettings,
  claims: JWTPayload & { sub: string },
  change: Change,
): Promise<User> {
  const { issuer } = settings
  const { sub: subject } = claims
  if (!settings.provision) throw stranger(subject)
  const known = await withTables<CoreTables>(db)
    .selectFrom('user_identities')
    .select('id')
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .executeTakeFirst()
  // Linked to a user who is disabled.
  if (known) throw new Failure('forbidden', 'this user is disabled: ask an administrator')
  const [name] = textsOf(claims, settings.nameClaim)
  if (name === undefined || !isUserName(name))
    throw new Failure('forbidden', `the provider tells no name that a user can have (claim ${settings.nameClaim})`)
  const organizationId = await organizationOf(db, settings, claims)
  const user = await createUser(db, change, { organizationId, name }).catch((error: unknown) => {
    if (!(error instanceof Failure) || error.code !== 'conflict') throw error
    throw new Failure('forbidden', `there is a user ${name} already; an administrator links it to ${subject}`)
  })
  const made = { uuid: uuidv7(change.at), created_at: change.at.getTime() }
  await withTables<CoreTables>(db)
    .insertInto('user_identities')
    .values({ ...made, user_id: user.id, issuer, subject })
    .execute()
  await auditUser(db, change, { user, action: 'user.bound', details: { kind: 'oidc', issuer, subject } })
  for (const role of settings.provision.roles) await give(db, change, user, role)
  return user
}

function stranger(subject: string): Failure {
  return new Failure(
    'forbidden',
    `nobody here is ${subject} of the OpenID provider: an administrator links a user to it`,
  )
}

async function organizationOf(db: Database, settings: OidcSettings, claims: JWTPayload): Promise<number> {
  const { organizationClaim, organizations, provision } = settings
  const told = organizationClaim === undefined ? [] : textsOf(claims, organizationClaim)
  const name =
    told.map((value) => organizations[value]).find((mapped) => mapped !== undefined) ?? provision?.organization
  const found = name === undefined ? undefined : await findOrganization(db, name)
  if (!found) throw new Failure('forbidden', 'the provider tells no organization that there is: ask an administrator')
  return found.id
}

interface Following {
  claims: JWTPayload
  user: User
  change: Change
}

/** Roles that the configuration names are given and taken as the claim has them; others stay as they are. */
async function followRoles(db: Database, settings: OidcSettings, { claims, user, change }: Following): Promise<void> {
  const { rolesClaim, roles } = settings
  if (rolesClaim === undefined) return
  const told = textsOf(claims, rolesClaim)
  const wanted = new Set(told.flatMap((value) => (Object.hasOwn(roles, value) ? (roles[value] ?? []) : [])))
  const has = new Set(await rolesOf(db, user.id))
  for (const name of new Set(Object.values(roles))) {
    if (wanted.has(name) && !has.has(name)) await give(db, change, user, name)
    if (wanted.has(name) || !has.has(name)) continue
    const role = await findRole(db, user.organizationId, name)
    if (role) await removeRoleMember(db, change, { role, userId: user.id })
  }
}

async function give(db: Database, change: Change, { id: userId, organizationId }: User, name: string): Promise<void> {
  const role = (await findRole(db, organizationId, name)) ?? (await addRole(db, change, organizationId, name))
  await addRoleMember(db, change, { role, userId })
}

/** A claim's text or texts, by its name, or by a path with dots (realm_access.roles). */
export function textsOf(claims: JWTPayload, claim: string): string[] {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : walk(claims, claim.split('.'))
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.filter((one): one is string => typeof one === 'string')
}

function walk(from: unknown, [name, ...rest]: string[]): unknown {
  if (name === undefined) return from
  if (typeof from !== 'object' || from === null || !Object.hasOwn(from, name)) return undefined
  return walk((from as Record<string, unknown>)[name], rest)
}
