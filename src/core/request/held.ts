import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import type { RequestKind } from '../approval/approval.ts'
import { Failure } from '../failure.ts'
import { type Capability, hasCapability } from '../identity/capability.ts'
import { type ActingUser, findUser, type User } from '../identity/identity.ts'
import { administering, allows, reaches } from '../identity/tokenScope.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { toRevokeRequest, toSignRequest } from './records.ts'
import type { RequestRef, RevokeRequest, RevokeStatus, SignRequest, SignStatus } from './request.ts'
import { moveRevokeRequest, moveSignRequest } from './transition.ts'

/** A request of either kind. */
export type Held =
  | { kind: 'sign'; request: SignRequest; answered: boolean }
  | { kind: 'revoke'; request: RevokeRequest; answered: false }

/**
 * Reads a request, its row locked until the transaction ends. Outside a transaction set `lock` to false.
 * Throws Failure('notFound').
 */
export async function holdRequest(db: Database, kind: RequestKind, ref: RequestRef, lock = true): Promise<Held> {
  const tables = withTables<CoreTables>(db)
  const column = typeof ref === 'number' ? 'id' : 'uuid'
  if (kind === 'sign') {
    const query = tables.selectFrom('sign_requests').selectAll().where(column, '=', ref)
    const row = await (lock ? forUpdate(db, query) : query).executeTakeFirst()
    if (row) return { kind, request: toSignRequest(row), answered: row.answered === 1 }
  } else {
    const query = tables.selectFrom('revoke_requests').selectAll().where(column, '=', ref)
    const row = await (lock ? forUpdate(db, query) : query).executeTakeFirst()
    if (row) return { kind, request: toRevokeRequest(row), answered: false }
  }
  throw notFound()
}

function notFound(): Failure {
  return new Failure('notFound', 'there is no such request')
}

/** The enabled user who acts, if the requester is one: a session or a token; with no more rights than the token's scope leaves. */
export async function actingUser(db: Database, requester: Requester): Promise<ActingUser | undefined> {
  const [id] = requester.people
  if ((requester.kind !== 'user' && requester.kind !== 'token') || id === undefined) return undefined
  const user = await findUser(db, id)
  if (!user?.enabled) return undefined
  const { superuser, admin } = user
  const rank = { superuser, admin }
  const { scope } = requester
  if (!scope) return { ...user, rank }
  const above = administering(scope)
  return { ...user, superuser: superuser && above, admin: admin && above, rank, scope }
}

/** Whether the requester asked for it himself, or is a person behind it. */
export function isBehind(held: Held, requester: Requester, user: User | undefined): boolean {
  return (user !== undefined && held.request.requester.people.includes(user.id)) || isAsker(held, requester)
}

function isAsker({ request }: Held, requester: Requester): boolean {
  return requesterKey(request.requester) === requesterKey(requester)
}

function sees(user: ActingUser, { kind, request }: Held): boolean {
  if (!user.superuser && user.organizationId !== request.organizationId) return false
  return reaches(user.scope, {
    authorityId: request.authorityId,
    ...(kind === 'sign' ? { profileId: request.profileId } : {}),
  })
}

/** Whether who is behind it may withdraw it or try it again: with a token that is limited, where that could have asked for it. */
export function mayWithdraw(held: Held, requester: Requester, user: ActingUser | undefined): boolean {
  if (!isBehind(held, requester, user)) return false
  const { kind, request } = held
  const place = { authorityId: request.authorityId, ...(kind === 'sign' ? { profileId: request.profileId } : {}) }
  return allows(user?.scope, kind === 'sign' ? 'create_cert' : 'revoke_cert', place)
}

/** Nothing of another organization is visible, and clients see only what they asked for. Throws Failure('notFound'). */
export function requireVisible(held: Held, requester: Requester, user: ActingUser | undefined): void {
  if (requester.kind === 'system') return
  if (user ? sees(user, held) || isAsker(held, requester) : isBehind(held, requester, user)) return
  throw notFound()
}

/** Whether a user holds a capability on a request's authority and profile; the installation itself always does. */
export async function mayHandle(
  db: Database,
  { kind, request }: Held,
  requester: Requester,
  capability: Capability,
): Promise<boolean> {
  if (requester.kind === 'system') return true
  const user = await actingUser(db, requester)
  if (!user) return false
  return hasCapability(db, user, capability, {
    organizationId: request.organizationId,
    authorityId: request.authorityId,
    ...(kind === 'sign' ? { profileId: request.profileId } : {}),
  })
}

export interface HeldMove {
  sign: SignStatus
  revoke: RevokeStatus
  actor: Requester
  at: Date
  set?: Record<string, string | number | null>
  details?: Record<string, unknown>
}

/** Moves a request of either kind to the status named for its kind, if it is still as it was read. */
export async function moveHeld(db: Database, held: Held, { sign, revoke, ...move }: HeldMove): Promise<void> {
  const where = { revision: held.request.revision }
  if (held.kind === 'sign') {
    const { id, status: from, attempt } = held.request
    await moveSignRequest(db, { ...move, id, from, to: sign, where: { ...where, attempt } })
  } else {
    const { id, status: from } = held.request
    await moveRevokeRequest(db, { ...move, id, from, to: revoke, where })
  }
}

/** The kind of a request as audit rows name it. */
export function subjectOf({ kind, request }: Held): { kind: 'sign_request' | 'revoke_request'; id: number } {
  return { kind: `${kind}_request`, id: request.id }
}
