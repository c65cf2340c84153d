import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { RequestKind } from '../approval/approval.ts'
import { Failure } from '../failure.ts'
import type { ActingUser, User } from '../identity/identity.ts'
import { allows } from '../identity/tokenScope.ts'
import { isNamed, type NamedAs, namesakesOf } from '../profile/namedAs.ts'
import type { ApprovalStep } from '../profile/rule.ts'
import { stepsNow } from '../profile/stepNow.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { actingUser } from './held.ts'

/** What a reader is asked about: a request, as far as who may read it goes. */
export interface Readable {
  id: number
  authority_id: number
  profile_id: number | null
  requester: string
  requester_key: string
}

/** Who lists: everything, what is in an organization as far as `may` allows, or only what he asked for himself. */
export type Reader =
  | { sees: 'all' }
  | { sees: 'organization'; organizationId: number; may: (kind: RequestKind, rows: Readable[]) => Promise<Set<number>> }
  | { sees: 'own'; requesterKey: string }

/** Throws Failure('forbidden') for a user who is disabled by now. */
export async function readerOf(db: Database, requester: Requester, at = new Date()): Promise<Reader> {
  if (requester.kind === 'system') return { sees: 'all' }
  const user = await actingUser(db, requester)
  if (user?.scope) return scopedReader(db, { user, at }, requester)
  if (user?.superuser) return { sees: 'all' }
  if (user) {
    const { organizationId } = user
    if (user.admin)
      return { sees: 'organization', organizationId, may: async (_, rows) => new Set(rows.map(({ id }) => id)) }
    const rights = await rightsOf(db, user, at)
    const shown = new Set(requester.memberProfiles)
    return {
      sees: 'organization',
      organizationId,
      may: async (kind, rows) => {
        const his = await readable(db, { kind, rows, user, requester, rights })
        const as =
          kind === 'sign' && shown.size > 0 ? rows.filter(({ profile_id: id }) => id !== null && shown.has(id)) : []
        return new Set([...his, ...as.map(({ id }) => id)])
      },
    }
  }
  if (requester.kind === 'user' || requester.kind === 'token') throw new Failure('forbidden', 'this user is disabled')
  return { sees: 'own', requesterKey: requesterKey(requester) }
}

/** Through a token that is limited: what it asked for itself, and what its scope reaches of what its user may read. */
async function scopedReader(
  db: Database,
  { user, at }: { user: ActingUser; at: Date },
  requester: Requester,
): Promise<Reader> {
  const { organizationId, rank, scope } = user
  const key = requesterKey(requester)
  const all = rank.superuser || rank.admin
  const rights = all ? undefined : await rightsOf(db, user, at)
  return {
    sees: 'organization',
    organizationId,
    may: async (kind, rows) => {
      const reached = rows.filter((row) => row.requester_key === key || scopeReads(scope, kind, row))
      if (!rights) return new Set(reached.map(({ id }) => id))
      return readable(db, { kind, rows: reached, user, requester, rights })
    },
  }
}

/** Whoever may do one of these reads. */
const reading = ['read', 'approve', 'manage'] as const

/** Whether a scope lets its token read a request of this place, of those that its user may. */
export function scopeReads(
  scope: ActingUser['scope'],
  kind: RequestKind,
  { authority_id: authorityId, profile_id }: Pick<Readable, 'authority_id' | 'profile_id'>,
): boolean {
  const place = { authorityId, ...(kind === 'sign' && profile_id !== null ? { profileId: profile_id } : {}) }
  return reading.some((capability) => allows(scope, capability, place))
}

interface Rights {
  namedAs: NamedAs[]
  grants: { authority_id: number | null; profile_id: number | null }[]
}

async function rightsOf(db: Database, user: ActingUser, at: Date): Promise<Rights> {
  const { id, scope } = user
  const tables = withTables<CoreTables>(db)
  const grants = await tables
    .selectFrom('capabilities')
    .select(['authority_id', 'profile_id'])
    .where('capability', 'in', scoped(scope))
    .where(({ or, eb, selectFrom }) =>
      or([
        eb('user_id', '=', id),
        eb('role_id', 'in', selectFrom('role_members').select('role_id').where('user_id', '=', id)),
      ]),
    )
    .execute()
  return { namedAs: await namesakesOf(db, user, at), grants }
}

function scoped(scope: ActingUser['scope']) {
  const { authorityId, profileId } = scope ?? {}
  const names = reading.filter((capability) => allows(scope, capability, { authorityId, profileId }))
  // A list in SQL is never empty.
  return names.length > 0 ? names : ['none']
}

interface Asked {
  kind: RequestKind
  rows: Readable[]
  user: User
  requester: Requester
  rights: Rights
}

/** As Approvals.review lets him: by a capability, as one behind the request, or as one whom a step names. */
async function readable(db: Database, asked: Asked): Promise<Set<number>> {
  const ids = new Set(asked.rows.filter((row) => granted(asked, row) || isBehind(asked, row)).map(({ id }) => id))
  const rest = asked.rows.filter(({ id }) => !ids.has(id))
  if (rest.length === 0) return ids
  const steps = await stepsOf(db, asked.kind, rest)
  for (const row of rest) {
    if (steps.get(row.id)?.some((step) => names(asked, step, row))) ids.add(row.id)
  }
  return ids
}

function granted({ kind, rights }: Asked, row: Readable): boolean {
  const profile = kind === 'sign' ? row.profile_id : null
  return rights.grants.some(
    (grant) =>
      (grant.authority_id === null || grant.authority_id === row.authority_id) &&
      (grant.profile_id === null || grant.profile_id === profile),
  )
}

function isBehind({ user, requester }: Asked, row: Readable): boolean {
  if (row.requester_key === requesterKey(requester)) return true
  const { people }: Requester = JSON.parse(row.requester)
  return people.includes(user.id)
}

function names({ rights }: Asked, step: ApprovalStep, { authority_id, profile_id, requester }: Readable): boolean {
  const { people }: Requester = JSON.parse(requester)
  return rights.namedAs.some((one) => isNamed(one, step, { authority_id, profile_id, people }))
}

async function stepsOf(db: Database, kind: RequestKind, rows: Readable[]): Promise<Map<number, ApprovalStep[]>> {
  const column = kind === 'sign' ? 'sign_request_id' : 'revoke_request_id'
  const decisions = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .select([column, 'steps', 'attended'])
    .where(
      column,
      'in',
      rows.map(({ id }) => id),
    )
    .orderBy('revision')
    .execute()
  return new Map(
    decisions.map((row) => [
      Number((row as Record<string, unknown>)[column]),
      stepsNow(JSON.parse(row.steps), JSON.parse(row.attended ?? '[]')),
    ]),
  )
}
