import { transaction } from '../../db/transaction.ts'
import { networkOf } from '../../pki/ip.ts'
import { nameText } from '../../pki/name.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { Requester } from '../requester.ts'
import type { ChallengeAsked } from './challenge.ts'
import { refusals, type Take, takeFrom } from './limit.ts'

/** What people choose can be guessed; so guesses are counted, by address and for the profile. */
const GUESSES_BY_SOURCE = '10/1h'
const GUESSES_BY_PROFILE = '300/1h'
/** A guess that comes again says nothing new: a device repeats what it was given wrongly, a fleet what was changed meanwhile. */
const SAME_GUESS = '1/1h'
/** So often it is looked at again, and a system outside asked about it: that one may have learnt of it meanwhile. */
const REPEATS = '10/1h'
/** Rows in the audit trail about one challenge that is there and yet not good, from whomever. */
const REFUSALS_BY_CHALLENGE = '20/1h'

const WHAT = 'challenges that were not good'

interface Guess {
  profile: RaProfile
  /** As the stored ones have it. */
  hash: string
}

function takesOf({ profile, hash }: Guess, { source }: Requester) {
  const take = (limit: string, key: string, rate: string): Take => ({
    profileId: profile.id,
    limit,
    key,
    rate,
    what: WHAT,
  })
  const [guess, network] = [hash.slice(0, 32), networkOf(source)]
  return {
    bySource: take('challenge.failuresBySource', network, GUESSES_BY_SOURCE),
    byProfile: take('challenge.failures', 'all', GUESSES_BY_PROFILE),
    repeat: take('challenge.repeats', `${guess} ${network}`, REPEATS),
    newHere: take('challenge.guesses', `${guess} ${network}`, SAME_GUESS),
    newAnywhere: take('challenge.guesses', guess, SAME_GUESS),
  }
}

/** Where so much was guessed that no more is looked at: from this address, at this profile, by this challenge from this address. */
export interface LockOut {
  source: boolean
  profile: boolean
  repeat: boolean
}

/** What was guessed too often. */
export async function lockOut(it: Installation, requester: Requester, guess: Guess): Promise<LockOut> {
  const { bySource, byProfile, repeat } = takesOf(guess, requester)
  const empty = await refusals(it.db, [bySource, byProfile, repeat], it.clock())
  const locked = (take: Take) => empty.some((refusal) => refusal.take === take)
  return { source: locked(bySource), profile: locked(byProfile), repeat: locked(repeat) }
}

/** Nobody learns from it what was wrong. */
export function notGood(): Failure {
  return new Failure('forbidden', 'the challenge is not good for this request: ask for another one')
}

interface Refused {
  profile: RaProfile
  asked: ChallengeAsked
  why: string
}

/**
 * Refuses one that is there: who sends it was handed it, and guesses nothing. Devices behind one address that all lose the race for it keep nobody else out.
 * The audit trail says why, some times an hour for each challenge.
 */
export async function refuseKnown(it: Installation, requester: Requester, uuid: string, refused: Refused) {
  const at = it.clock()
  const { id: profileId } = refused.profile
  const take = { profileId, limit: 'challenge.refusals', key: uuid, rate: REFUSALS_BY_CHALLENGE, what: WHAT }
  await transaction(it.db, async (db) => {
    if (await takeFrom(db, take, at)) return
    await audit(db, requester, at, event(refused, uuid))
  })
  return notGood()
}

/** Refuses one that is none of ours: counts it as a guess, unless it was counted in this hour, and says why in the audit trail. */
export async function refuseGuess(it: Installation, requester: Requester, hash: string, refused: Refused) {
  const at = it.clock()
  const { profile } = refused
  const { bySource, byProfile, repeat, newHere, newAnywhere } = takesOf({ profile, hash }, requester)
  await transaction(it.db, async (db) => {
    await takeFrom(db, repeat, at)
    if (await takeFrom(db, newHere, at)) return
    const source = await takeFrom(db, bySource, at)
    const known = await takeFrom(db, newAnywhere, at)
    const all = known ? undefined : await takeFrom(db, byProfile, at)
    if (source || all) return
    await audit(db, requester, at, event(refused))
    const [last] = await refusals(db, [bySource, byProfile], at)
    if (!last) return
    const about = { organizationId: profile.organizationId, subject: { kind: 'profile', id: profile.id } } as const
    const detail = `${last.take.limit} of ${last.take.key}: challenges are refused there now`
    await raiseAlert(db, at, { kind: 'challenge_lockout', ...about, detail })
  })
  return notGood()
}

function event({ profile, asked, why }: Refused, challenge?: string) {
  const subject = nameText(asked.subject).slice(0, 500)
  return {
    action: 'challenge.refused',
    organizationId: profile.organizationId,
    subject: { kind: 'profile', id: profile.id },
    details: { why, challenge, transactionId: asked.transactionId.slice(0, 200), subject },
  } as const
}
