import type { Database } from '../../db/open.ts'
import { Failure } from '../failure.ts'
import type { User } from '../identity/identity.ts'
import { allows } from '../identity/tokenScope.ts'
import { duration } from '../profile/profile.ts'
import { actingUser, type Held, isBehind, requireVisible } from '../request/held.ts'
import type { VoteInput } from './approval.ts'
import type { ApprovalContext } from './approvalContext.ts'
import { type Counting, standingVotes } from './count.ts'
import { type Decision, findDecision } from './decision.ts'
import { longestRemembered } from './remember.ts'
import { type Voter, votersOf } from './voters.ts'
import { votesOf } from './votes.ts'

/** A vote that passed every check but the one that only the database can make: that it is the voter's first. */
export interface Ballot {
  held: Held
  decision: Decision
  voter: User
  input: VoteInput
  /** Absent for an override, which is nobody's voice but the administrator's. */
  seat?: Voter
  /** Milliseconds for which the voter wants the approval remembered. */
  remember?: number
  at: Date
}

/**
 * Checks a vote on a request that is locked: who votes, on what, and that it may still be decided.
 * Throws Failure: forbidden, notFound, malformed, conflict.
 */
export async function checkVote(db: Database, context: ApprovalContext, held: Held, input: VoteInput): Promise<Ballot> {
  const at = context.clock()
  const voter = await actingUser(db, context.requester)
  if (!voter) throw new Failure('forbidden', 'only a person votes: use a session or a token of your own')
  requireVisible(held, context.requester, voter)
  const { authorityId, ...request } = held.request
  if (
    !allows(voter.scope, 'approve', { authorityId, profileId: 'profileId' in request ? request.profileId : undefined })
  )
    throw new Failure('forbidden', 'this token does not vote: its scope has no approve here')
  if (isBehind(held, context.requester, voter)) {
    throw new Failure('forbidden', 'you are behind this request, so you do not decide on it (separation of duties)')
  }
  checkInput(held, input)
  const decision = await openDecisionOf(db, held, at)
  if (input.hash !== decision.hash) {
    throw new Failure('conflict', 'the request has changed since you looked at it; look at it again')
  }
  if (input.override) requireOverride(held, voter)
  const seat = input.override ? undefined : await seatOf(db, { held, decision, at }, voter)
  const remember = await rememberedFor(db, held, decision, input)
  return { held, decision, voter, input, at, ...(seat && { seat }), ...(remember === undefined ? {} : { remember }) }
}

function checkInput({ kind }: Held, { verdict, reason, override, remember }: VoteInput): void {
  const given = reason?.trim() ?? ''
  if ((verdict === 'deny' || override) && given === '') {
    throw new Failure('malformed', `${override ? 'an override' : 'a denial'} needs a reason`)
  }
  if (given.length > 1000) throw new Failure('malformed', 'a reason has at most 1000 characters')
  if (remember !== undefined && (verdict === 'deny' || override || kind === 'revoke')) {
    throw new Failure('malformed', 'only an ordinary approval to sign can be remembered')
  }
}

/** The decision that waits for votes, or why there is none to vote on. */
async function openDecisionOf(db: Database, { kind, request }: Held, at: Date): Promise<Decision> {
  if (request.status !== 'requested') throw new Failure('conflict', `too late: the request is ${request.status}`)
  if (request.expiresAt && request.expiresAt <= at) throw new Failure('conflict', 'too late: the request has expired')
  const decision = await findDecision(db, kind, request)
  if (decision?.outcome !== 'waiting') throw new Failure('conflict', 'this request waits for nobody')
  return decision
}

function requireOverride({ request }: Held, voter: User): void {
  if (voter.superuser || (voter.admin && voter.organizationId === request.organizationId)) return
  throw new Failure('forbidden', 'only an administrator overrides')
}

/**
 * In whose name the voter votes on the present step: in his own where the step names him, else in that of one who
 * delegated it to him. A voice that was given already, by its owner or by another delegate, is not given twice.
 */
async function seatOf(db: Database, counting: Counting, voter: User): Promise<Voter> {
  const { decision, held, at } = counting
  const step = decision.steps[decision.step]
  const voters = step ? await votersOf(db, step, held, at) : []
  const seats = voters.filter(({ user }) => user.id === voter.id)
  if (seats.length === 0) {
    const which = `step ${decision.step + 1} of ${decision.steps.length} of the rule ${decision.rule}`
    throw new Failure('forbidden', `you are not among those whom ${which} names`)
  }
  const given = new Set((await standingVotes(db, counting)).flat().map(({ voice }) => voice))
  const free = seats.find(({ voice }) => !given.has(voice))
  if (free) return free
  if ((await votesOf(db, decision.id)).some(({ userId }) => userId === voter.id))
    throw new Failure('conflict', 'you have voted on this request already')
  const whose = seats.map(({ delegation }) => delegation?.of ?? 'your own').join(', ')
  throw new Failure('conflict', `this voice was given on this request already: ${whose}`)
}

async function rememberedFor(
  db: Database,
  held: Held,
  decision: Decision,
  { remember }: VoteInput,
): Promise<number | undefined> {
  if (remember === undefined || held.kind !== 'sign') return undefined
  const asked = duration.safeParse(remember)
  if (!asked.success) throw new Failure('malformed', 'remember is a length of time like 30d or 12h')
  const longest = await longestRemembered(db, held.request, decision.ruleVersion)
  if (longest === undefined) throw new Failure('malformed', `the rule ${decision.rule} lets no approval be remembered`)
  if (asked.data > longest)
    throw new Failure('malformed', `the rule ${decision.rule} does not let it be remembered that long`)
  return asked.data
}
