import type { Database } from '../../db/open.ts'
import type { Held } from '../request/held.ts'
import type { Decision } from './decision.ts'
import { votersOf } from './voters.ts'
import { type StoredVote, votesOf } from './votes.ts'

export interface Counting {
  held: Held
  decision: Decision
  at: Date
}

/** A vote that counts, and whose voice it is: the voter's, or that of the one for whom he votes. */
export interface CountedVote extends StoredVote {
  voice: number
}

/**
 * The approvals that count now, step by step. Rights are looked at again: of a voter who could not give his vote any more,
 * or whose delegation has ended or was withdrawn since, it does not count; and no voice counts twice for a step.
 */
export async function standingVotes(db: Database, { held, decision, at }: Counting): Promise<CountedVote[][]> {
  const votes = (await votesOf(db, decision.id)).filter(({ verdict, override }) => verdict === 'approve' && !override)
  const counted: CountedVote[][] = []
  for (const [index, step] of decision.steps.entries()) {
    const given = votes.filter((vote) => vote.step === index)
    const voters = given.length === 0 ? [] : await votersOf(db, step, held, at)
    const voices = new Map<number, CountedVote>()
    for (const vote of given) {
      const seat = voters.find(
        ({ user, delegation }) => user.id === vote.userId && delegation?.id === vote.delegationId,
      )
      if (seat && !voices.has(seat.voice)) voices.set(seat.voice, { ...vote, voice: seat.voice })
    }
    counted.push([...voices.values()])
  }
  return counted
}
