import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import type { Ballot } from './ballot.ts'

/**
 * Stores a vote. One person counts once for a revision of a request, whatever its steps; only an override takes the place
 * of a vote given before. Throws Failure('conflict').
 */
export async function storeVote(db: Database, { decision, voter, seat, input, remember, at }: Ballot): Promise<void> {
  const columns = {
    step: decision.step,
    verdict: input.verdict,
    override: input.override ? 1 : 0,
    reason: input.reason?.trim() || null,
    remember: remember ?? null,
    delegation_id: seat?.delegation?.id ?? null,
    created_at: at.getTime(),
  }
  const stored = await withTables<CoreTables>(db)
    .insertInto('votes')
    .values({ ...columns, decision_id: decision.id, user_id: voter.id })
    .onConflict((conflict) => {
      const known = conflict.columns(['decision_id', 'user_id'])
      return input.override ? known.doUpdateSet(columns) : known.doNothing()
    })
    .returning('id')
    .executeTakeFirst()
  if (!stored) throw new Failure('conflict', 'you have voted on this request already')
}

export interface StoredVote {
  userId: number
  user: string
  /** Name of the one for whom he voted, by a delegation. */
  for?: string
  delegationId?: number
  step: number
  verdict: string
  override: boolean
  reason?: string
  remember?: number
  at: Date
}

/** All votes of a decision, in the order in which they came. */
export async function votesOf(db: Database, decisionId: number): Promise<StoredVote[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('votes')
    .innerJoin('users', 'users.id', 'votes.user_id')
    .leftJoin('delegations', 'delegations.id', 'votes.delegation_id')
    .leftJoin('users as delegators', 'delegators.id', 'delegations.delegator_id')
    .selectAll('votes')
    .select(['users.name', 'delegators.name as delegator'])
    .where('votes.decision_id', '=', decisionId)
    .orderBy('votes.created_at')
    .orderBy('votes.id')
    .execute()
  return rows.map((row) => ({
    userId: row.user_id,
    user: row.name,
    ...(row.delegator === null ? {} : { for: row.delegator }),
    ...(row.delegation_id === null ? {} : { delegationId: row.delegation_id }),
    step: row.step,
    verdict: row.verdict,
    override: row.override === 1,
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.remember === null ? {} : { remember: row.remember }),
    at: new Date(row.created_at),
  }))
}
