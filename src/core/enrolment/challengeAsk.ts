import { createHash, createHmac } from 'node:crypto'
import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { networkOf } from '../../pki/ip.ts'
import { nameText } from '../../pki/name.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Change } from '../identity/identity.ts'
import { inTurn } from '../identity/inTurn.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { AskElsewhere, ChallengeAsked, ChallengeGrant, ElsewhereAnswer, TellElsewhere } from './challenge.ts'
import { boundTo } from './challengeNames.ts'
import { lockOut, notGood, refuseGuess, refuseKnown } from './challengeRefusal.ts'

interface Asking {
  profile: RaProfile
  given: string
  asked: ChallengeAsked
  elsewhere?: AskElsewhere | undefined
}

/** RFC 2985 section 5.4.1 (pkcs-9-ub-challengePassword): no challenge of ours is longer. */
export const LONGEST_CHALLENGE = 255

/** The additional data under which the secret of a system outside is sealed. */
export const ELSEWHERE_SEAL = 'challenge webhook'

/** What is stored of a challenge, and found by: HMAC-SHA-256 in hex under a secret that is not in the database. */
export function challengeHash({ challengeSecret }: Installation, profileUuid: string, challenge: string): string {
  return createHmac('sha256', challengeSecret)
    .update(`${profileUuid}\n${challenge.normalize('NFC')}`)
    .digest('hex')
}

/** See Door.challenge. */
export async function askChallenge(it: Installation, requester: Requester, asking: Asking): Promise<ChallengeGrant> {
  const { profile, asked } = asking
  const at = it.clock()
  const row = await findChallenge(it, asking)
  if (!row) return grantElsewhere(it, requester, asking)
  // What people choose can be guessed; what we make cannot, and nobody else's guesses stop it.
  if (row.kind === 'static') {
    const guess = { profile, hash: challengeHash(it, profile.uuid, asking.given) }
    const locked = await counted(it, requester, profile, () => lockOut(it, requester, guess))
    if (locked.source || locked.profile) throw notGood()
  }
  const again = row.again === 1
  const names = boundTo(row, profile, asked)
  const why = whyNot(row, { again, at, outside: names === 'outside' })
  if (why !== undefined) throw await refuseKnown(it, requester, row.uuid, { profile, asked, why })
  return {
    requester: {
      kind: 'challenge',
      // With the key: what people approved for one device is no approval for the next that knows the same challenge.
      ref: `${row.uuid}/${asked.spkiHash}`,
      name: nameOf(row, profile),
      people: row.created_by === null ? [] : [row.created_by],
      ...sourceOf(requester),
    },
    entitled: names === 'bound',
    use: { ...useOf(asking), challengeId: row.id, again },
  }
}

/** Of many guesses at once from one address each would be looked at before one is counted. */
function counted<T>({ node }: Installation, { source }: Requester, { id }: RaProfile, look: () => Promise<T>) {
  return inTurn(`challenge ${node} ${id} ${networkOf(source)}`, look)
}

/** What is none of ours is a guess, or for a system outside to judge: that one is not asked either where too much was guessed. */
async function grantElsewhere(it: Installation, requester: Requester, asking: Asking): Promise<ChallengeGrant> {
  const { profile, asked, given, elsewhere } = asking
  const hash = challengeHash(it, profile.uuid, given)
  const refuse = (why: string) => refuseGuess(it, requester, hash, { profile, asked, why })
  const look = () => lockOut(it, requester, { profile, hash })
  if (!elsewhere)
    throw await counted(it, requester, profile, async () => {
      const { source, profile: everywhere, repeat } = await look()
      // As fast as the right one is refused then.
      return source || everywhere || repeat ? notGood() : refuse('unknown')
    })
  const locked = await look()
  if (locked.source || locked.repeat) throw notGood()
  const answer = await askOutside(it, profile, elsewhere)
  if (answer.allow) return outsideGrant(requester, asking, answer)
  throw await refuse(`elsewhere: ${answer.reason ?? ''}`)
}

function useOf({ profile, asked }: Asking) {
  return { profileId: profile.id, order: orderHash(asked), spkiHash: asked.spkiHash }
}

function orderHash({ transactionId, subject, identifiers, order = '' }: ChallengeAsked): string {
  const names = identifiers.map(({ type, value }) => `${type}:${value}`).sort()
  return createHash('sha256')
    .update(JSON.stringify([transactionId, nameText(subject), names, order]))
    .digest('hex')
}

function sourceOf({ source }: Requester): { source?: string } {
  return source === undefined ? {} : { source }
}

function nameOf({ kind, uuid, note }: ChallengeRow, profile: RaProfile): string {
  if (kind === 'static') return `static challenge of ${profile.name}`
  return `challenge ${uuid}${note === null ? '' : ` (${note})`}`
}

type ChallengeRow = NonNullable<Awaited<ReturnType<typeof findChallenge>>>

/** One statement, whatever was given; `again`: this key has used it. */
function findChallenge(it: Installation, { profile, given, asked }: Asking) {
  const tooLong = given.length > LONGEST_CHALLENGE
  const hash = challengeHash(it, profile.uuid, tooLong ? '' : given)
  return withTables<CoreTables>(it.db)
    .selectFrom('challenges')
    .select(['id', 'uuid', 'kind', 'subject', 'identifiers', 'uses', 'used', 'note', 'created_by', 'expires_at'])
    .select(
      sql<number>`case when exists (select 1 from challenge_uses u where u.challenge_id = challenges.id and u.spki_hash = ${asked.spkiHash}) then 1 else 0 end`.as(
        'again',
      ),
    )
    .where('profile_id', '=', profile.id)
    .where('hash', '=', hash)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
}

/** See Door.isChallenge. */
export async function isChallenge(it: Installation, { id, uuid }: RaProfile, given: string): Promise<boolean> {
  if (given.length > LONGEST_CHALLENGE) return false
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('challenges')
    .select('id')
    .where('profile_id', '=', id)
    .where('hash', '=', challengeHash(it, uuid, given))
    .executeTakeFirst()
  return row !== undefined
}

interface Standing {
  again: boolean
  outside: boolean
  at: Date
}

function whyNot(row: ChallengeRow, { again, outside, at }: Standing): string | undefined {
  if (outside) return 'other names'
  if (again) return undefined
  if (row.expires_at !== null && row.expires_at <= at.getTime()) return 'past its time'
  return row.uses !== null && row.used >= row.uses ? 'used up' : undefined
}

async function askOutside(it: Installation, profile: RaProfile, ask: AskElsewhere): Promise<ElsewhereAnswer> {
  try {
    return await ask(await elsewhereSecret(it, profile))
  } catch (error) {
    it.log.warn({ err: error, profile: profile.name }, 'nobody outside decided on a challenge')
    throw noAnswer(error)
  }
}

/** The secret under which a system outside is spoken to. */
async function elsewhereSecret(it: Installation, profile: RaProfile): Promise<Buffer> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('challenges')
    .select(['uuid', 'sealed'])
    .where('profile_id', '=', profile.id)
    .where('kind', '=', 'webhook')
    .where('revoked_at', 'is', null)
    .orderBy('id', 'desc')
    .executeTakeFirst()
  const secret = row?.sealed && it.vault.open(row.sealed, row.uuid, ELSEWHERE_SEAL)
  if (!secret) throw new Failure('unavailable', `the profile ${profile.name} has no webhook secret`)
  return secret
}

/** See Door.tellElsewhere. */
export async function tellElsewhere(it: Installation, profile: RaProfile, tell: TellElsewhere): Promise<void> {
  await tell(await elsewhereSecret(it, profile))
}

function noAnswer(cause: unknown): Failure {
  const detail = 'whether this challenge is good cannot be told now: try again later'
  return new Failure('unavailable', detail, { cause, retryAfter: 60 })
}

function outsideGrant(requester: Requester, asking: Asking, { identity }: ElsewhereAnswer): ChallengeGrant {
  const { profile, asked } = asking
  const name = identity ?? nameText(asked.subject)
  return {
    requester: {
      kind: 'challenge',
      ref: `webhook/${profile.uuid}/${asked.spkiHash}`,
      name: `${name} (by webhook)`,
      people: [],
      ...sourceOf(requester),
    },
    entitled: true,
    use: { ...useOf(asking), again: false },
    elsewhere: true,
  }
}

/** See Door.redeemChallenge. */
export async function redeemChallenge(db: Database, { actor, at }: Change, { use }: ChallengeGrant): Promise<void> {
  if (use.challengeId === undefined) return
  const tables = withTables<CoreTables>(db)
  const now = at.getTime()
  const first = await tables
    .insertInto('challenge_uses')
    .values({
      challenge_id: use.challengeId,
      spki_hash: use.spkiHash,
      transaction_hash: use.order,
      created_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('challenge_id')
    .executeTakeFirst()
  // The same order of the same transaction arrived twice at once: the other one has taken the use, and makes the record.
  if (!first && !use.again) return
  const taken = await tables
    .updateTable('challenges')
    .set({ used: sql<number>`used + 1`, used_at: now })
    .where('id', '=', use.challengeId)
    .where('revoked_at', 'is', null)
    .where(({ or, eb }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .where(({ or, eb }) => or([eb('uses', 'is', null), eb('used', '<', eb.ref('uses'))]))
    .returning(['id', 'kind', 'organization_id'])
    .executeTakeFirst()
  if (!taken) throw notGood()
  await audit(db, actor, at, {
    action: 'challenge.used',
    organizationId: taken.organization_id,
    subject: { kind: 'challenge', id: taken.id },
    details: { kind: taken.kind, spkiHash: use.spkiHash },
  })
}
