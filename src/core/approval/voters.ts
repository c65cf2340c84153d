import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { toUser, type User } from '../identity/identity.ts'
import type { Held } from '../request/held.ts'
import type { CoreTables } from '../tables.ts'
import { type Circle, eligibleUsers } from './eligible.ts'

/** Somebody who may vote on a step, and whose voice it is: his own, or that of one who delegated it to him. */
export interface Voter {
  user: User
  /** Whose voice counts with his vote: his own id, or the delegator's. */
  voice: number
  /** By which he stands for somebody else. */
  delegation?: { id: number; of: string }
}

/**
 * All who may vote on a step of a request at a moment: those whom it names, and those to whom one of them has delegated
 * his votes. Nobody behind the request stands for another, and no voice of somebody behind it is given by others; a
 * delegate passes nothing on. That one who is named is himself behind the request is not looked at.
 */
export async function votersOf(db: Database, circle: Circle, held: Held, at: Date): Promise<Voter[]> {
  const named = await eligibleUsers(db, circle, held.request)
  const behind = new Set(held.request.requester.people)
  const delegators = named.filter(({ id }) => !behind.has(id))
  const own = named.map((user): Voter => ({ user, voice: user.id }))
  if (delegators.length === 0) return own
  const rows = await delegationsOn(db, held, { delegators: delegators.map(({ id }) => id), at })
  const delegated = rows
    .filter(({ id }) => !behind.has(id))
    .map((row): Voter => {
      const of = delegators.find(({ id }) => id === row.delegator_id)?.name ?? ''
      return { user: toUser(row), voice: row.delegator_id, delegation: { id: row.delegation, of } }
    })
  return [...own, ...delegated]
}

/** Delegations that hold at a moment for a request, with their delegates, who are enabled and of its organization. */
async function delegationsOn(
  db: Database,
  { kind, request }: Held,
  { delegators, at }: { delegators: number[]; at: Date },
) {
  const profile = withTables<CoreTables>(db)
    .selectFrom(kind === 'sign' ? 'sign_requests' : 'revoke_requests')
    .select('profile_id')
    .where('id', '=', request.id)
  return (
    withTables<CoreTables>(db)
      .selectFrom('delegations')
      .innerJoin('users', 'users.id', 'delegations.delegate_id')
      .selectAll('users')
      .select(['delegations.id as delegation', 'delegations.delegator_id'])
      .where('delegations.delegator_id', 'in', delegators)
      .where('delegations.ended_at', 'is', null)
      .where('delegations.from_at', '<=', at.getTime())
      .where('delegations.until_at', '>', at.getTime())
      .where('delegations.organization_id', '=', request.organizationId)
      .where('users.organization_id', '=', request.organizationId)
      .where('users.enabled', '=', 1)
      .where(({ or, eb }) =>
        or([eb('delegations.authority_id', 'is', null), eb('delegations.authority_id', '=', request.authorityId)]),
      )
      .where(({ or, eb }) => or([eb('delegations.profile_id', 'is', null), eb('delegations.profile_id', '=', profile)]))
      // The one that holds longest first: his vote counts by it as long as it can.
      .orderBy('delegations.until_at', 'desc')
      .orderBy('delegations.id')
      .execute()
  )
}
