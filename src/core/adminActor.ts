import type { Database } from '../db/open.ts'
import { Failure } from './failure.ts'
import { type Capability, hasCapability, type Scope } from './identity/capability.ts'
import { type ActingUser, findOrganization, type Organization } from './identity/identity.ts'
import type { Installation } from './installation.ts'
import { actingUser } from './request/held.ts'
import type { Requester } from './requester.ts'

/** What every administrative change needs. */
export interface AdminContext {
  it: Installation
  requester: Requester
}

/**
 * Who administers: a user, or, without one, the installation itself or its local operator, whom the data folder lets in
 * (docs/operate/local-operator.md).
 */
export interface Actor {
  requester: Requester
  user?: ActingUser
}

/** Reads the user afresh, so that rights lost since he logged in count. Throws Failure('forbidden'). */
export async function actorOf(db: Database, requester: Requester): Promise<Actor> {
  if (requester.kind === 'system') return { requester }
  const user = await actingUser(db, requester)
  if (!user) throw new Failure('forbidden', 'this needs a user: a session or a token')
  return { requester, user }
}

/** Over all organizations. */
export function isSuperuser({ user }: Actor): boolean {
  return user === undefined || user.superuser
}

export function seesOrganization(actor: Actor, organizationId: number | null): boolean {
  return isSuperuser(actor) || actor.user?.organizationId === organizationId
}

export function administers(actor: Actor, organizationId: number | null): boolean {
  return isSuperuser(actor) || (actor.user?.admin === true && actor.user.organizationId === organizationId)
}

/** Throws Failure('forbidden'). */
export function requireSuperuser(actor: Actor): void {
  if (!isSuperuser(actor)) throw new Failure('forbidden', 'this needs a superuser')
}

/** Throws Failure('forbidden'). */
export function requireAdministrator(actor: Actor, organizationId: number): void {
  if (!administers(actor, organizationId))
    throw new Failure('forbidden', 'this needs an administrator of the organization')
}

/** Throws Failure('forbidden'). The installation and its local operator hold every capability that this is asked for. */
export async function requireCapability(
  db: Database,
  actor: Actor,
  capability: Capability,
  scope: Scope,
): Promise<void> {
  if (!actor.user || (await hasCapability(db, actor.user, capability, scope))) return
  throw new Failure('forbidden', `this needs the capability ${capability}`)
}

/**
 * The organization that something new belongs to: the one named, else the user's own, else `default`. Throws
 * Failure('notFound') alike for one that is not there and for one that the actor does not see.
 */
export async function organizationFor(
  db: Database,
  actor: Actor,
  name: string | undefined,
): Promise<Pick<Organization, 'id'>> {
  if (name === undefined && actor.user) return { id: actor.user.organizationId }
  const found = await findOrganization(db, name ?? 'default')
  if (!found || !seesOrganization(actor, found.id))
    throw new Failure('notFound', `there is no organization ${name ?? 'default'}`)
  return found
}
