import { randomBytes } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { PkiError } from '../../pki/error.ts'
import { parseNameText } from '../../pki/name.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { withdrawChallenged } from '../approval/withdrawWaiting.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { findProfileRow } from '../profile/profileAdmin.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { challengeHash, ELSEWHERE_SEAL, LONGEST_CHALLENGE } from './challengeAsk.ts'
import { type ChallengeView, type ManagedChallenge, managedChallenges, viewOf } from './challengeView.ts'
import { credentialNames } from './credential.ts'

/** A one-time challenge, or one for several devices. */
export interface ChallengeDraft {
  profile: string
  /** A name in the form of RFC 4514 whose values are patterns: CN=printer-*,O=Example. Absent: any. */
  subject?: string
  /** CredentialNames as people write them; absent: whatever the profile certifies or, with a subject, its common name. */
  identifiers?: unknown
  /** One when absent. */
  uses?: number
  /** Absent: an hour from now. */
  expiresAt?: Date
  note?: string
}

/** Passwords with which devices enrol (SCEP). All need manage on the profile; making one needs a user, who then approves nothing asked with it. */
export interface ChallengeAdmin {
  /** `challenge`: 32 hexadecimal digits, shown once; what is stored is a keyed hash. */
  createChallenge(draft: ChallengeDraft): Promise<{ challenge: string; view: ChallengeView }>
  /** One that people have chosen, for any number of devices, in place of the one before; it is bound to no names. Throws malformed. */
  setStaticChallenge(draft: { profile: string; challenge: string; note?: string }): Promise<ChallengeView>
  /** The secret of 32 octets, in base64url, under which questions to the profile's webhook are signed: shown once, in place of the one before. */
  createWebhookSecret(profile: string): Promise<{ secret: string; view: ChallengeView }>
  /** Those of the profiles that the requester manages, newest first, at most 1000; without `all` only those that are still good. */
  challenges(filter?: { profile?: string; all?: boolean }): Promise<ChallengeView[]>
  /** Nobody enrols with it any more, and what waits for people is withdrawn. Throws notFound. */
  revokeChallenge(uuid: string): Promise<void>
  /** Throws notFound where there is none. */
  clearStaticChallenge(profile: string): Promise<void>
}

const HOUR = 3_600_000
const MOST_USES = 100_000
/** NIST SP 800-63B asks of what people choose for length and nothing else. */
const SHORTEST_STATIC = 12

/** See ChallengeAdmin. */
export function challengeAdmin(context: AdminContext): ChallengeAdmin {
  return {
    createChallenge: (draft) => newChallenge(context, draft),
    setStaticChallenge: (draft) => setStatic(context, draft),
    createWebhookSecret: (profile) => newWebhookSecret(context, profile),
    challenges: async (filter = {}) => (await managedChallenges(context, filter)).map(viewOf),
    revokeChallenge: (uuid) => endOne(context, { uuid }, 'there is no such challenge, or it is revoked already'),
    clearStaticChallenge: (profile) =>
      endOne(context, { profile, kind: 'static' }, `the profile ${profile} has no static challenge`),
  }
}

async function newChallenge(
  context: AdminContext,
  draft: ChallengeDraft,
): Promise<{ challenge: string; view: ChallengeView }> {
  const at = context.it.clock()
  const expiresAt = draft.expiresAt ?? new Date(at.getTime() + HOUR)
  if (expiresAt <= at) throw new Failure('malformed', 'a challenge ends in the future')
  const uses = draft.uses ?? 1
  if (!Number.isSafeInteger(uses) || uses < 1 || uses > MOST_USES)
    throw new Failure('malformed', `a challenge has 1 to ${MOST_USES} uses`)
  const bounds = { subject: checkedSubject(draft.subject), identifiers: checkedIdentifiers(draft.identifiers) }
  // As management systems expect it of NDES: hexadecimal digits in capitals.
  const challenge = randomBytes(16).toString('hex').toUpperCase()
  const view = await store(context, draft.profile, {
    kind: 'once',
    ...bounds,
    secret: (uuid) => ({ hash: challengeHash(context.it, uuid, challenge), sealed: null }),
    uses,
    expires_at: expiresAt.getTime(),
    note: draft.note ?? null,
  })
  return { challenge, view }
}

async function setStatic(
  context: AdminContext,
  { profile, challenge, note }: { profile: string; challenge: string; note?: string },
): Promise<ChallengeView> {
  const length = [...challenge.normalize('NFC')].length
  if (length < SHORTEST_STATIC || challenge.length > LONGEST_CHALLENGE)
    throw new Failure('malformed', `a static challenge has ${SHORTEST_STATIC} to ${LONGEST_CHALLENGE} characters`)
  if (/\p{Cc}|\p{Cf}/u.test(challenge) || challenge.trim() !== challenge)
    throw new Failure('malformed', 'a static challenge has no control characters, and no space at its ends')
  return store(context, profile, {
    kind: 'static',
    ...unbound,
    secret: (uuid) => ({ hash: challengeHash(context.it, uuid, challenge), sealed: null }),
    uses: null,
    expires_at: null,
    note: note ?? null,
  })
}

const unbound = { subject: null, identifiers: null }

async function newWebhookSecret(
  context: AdminContext,
  profile: string,
): Promise<{ secret: string; view: ChallengeView }> {
  const secret = randomBytes(32)
  const view = await store(context, profile, {
    kind: 'webhook',
    ...unbound,
    secret: (_, own) => ({ hash: null, sealed: context.it.vault.seal(secret, own, ELSEWHERE_SEAL) }),
    uses: null,
    expires_at: null,
    note: null,
  })
  return { secret: secret.toString('base64url'), view }
}

interface NewRow {
  kind: ManagedChallenge['kind']
  subject: string | null
  identifiers: string | null
  /** By the uuids of the profile and of the row. */
  secret: (profileUuid: string, uuid: string) => { hash: string | null; sealed: Buffer | null }
  uses: number | null
  expires_at: number | null
  note: string | null
}

/** Of static challenges and webhook secrets a profile has one: the one before ends. */
async function store(context: AdminContext, profileName: string, made: NewRow): Promise<ChallengeView> {
  const { it, requester } = context
  const at = it.clock()
  const { secret, ...row } = made
  const uuid = uuidv7(at)
  await transaction(it.db, async (db) => {
    const { profile, createdBy } = await mayMake(db, requester, profileName)
    const { id: profileId, organization_id: organizationId } = profile
    if (made.kind !== 'once') await endRows(db, at, { profileId, kind: made.kind })
    const stored = await withTables<CoreTables>(db)
      .insertInto('challenges')
      .values({
        uuid,
        ...row,
        ...secret(profile.uuid, uuid),
        profile_id: profileId,
        organization_id: organizationId,
        created_by: createdBy,
        created_at: at.getTime(),
        used_at: null,
        revoked_at: null,
      })
      .onConflict((conflict) => conflict.columns(['profile_id', 'hash']).doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!stored) throw new Failure('conflict', `the profile ${profileName} has this challenge already: choose another`)
    await audit(db, requester, at, {
      action: 'challenge.created',
      organizationId,
      subject: { kind: 'challenge', id: stored.id },
      details: { kind: made.kind, profile: profileName, subject: made.subject, uses: made.uses, note: made.note },
    })
  })
  const [view] = await managedChallenges(context, { uuid })
  if (!view) throw new Failure('internal', 'the challenge is gone')
  return viewOf(view)
}

async function mayMake(db: Database, requester: Requester, name: string) {
  const actor = await actorOf(db, requester)
  if (!actor.user)
    throw new Failure('forbidden', 'a challenge is made by a user: its maker may not approve what is asked with it')
  const profile = await findProfileRow(db, actor, name)
  if (!profile) throw new Failure('notFound', `there is no profile ${name}`)
  const { id: profileId, organization_id: organizationId, authority_id: authorityId } = profile
  await requireCapability(db, actor, 'manage', { organizationId, authorityId, profileId })
  return { profile, createdBy: actor.user.id }
}

function checkedSubject(given: string | undefined): string | null {
  if (given === undefined) return null
  try {
    if (parseNameText(given).length > 0) return given
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new Failure('malformed', `subject: ${error.message}`, { cause: error })
  }
  throw new Failure('malformed', 'subject: it names nothing; write it like CN=printer-*,O=Example')
}

/** JSON as written, so that what a later version adds has its default. */
function checkedIdentifiers(given: unknown): string | null {
  if (given === undefined) return null
  const parsed = credentialNames.safeParse(given)
  if (parsed.success) return JSON.stringify(given)
  const [first] = parsed.error.issues
  throw new Failure('malformed', `identifiers.${first?.path.join('.')}: ${first?.message}`)
}

async function endOne(
  { it, requester }: AdminContext,
  filter: { uuid?: string; profile?: string; kind?: ManagedChallenge['kind'] },
  missing: string,
): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const [row] = await managedChallenges({ it: { ...it, db }, requester }, filter)
    if (!row || (await endRows(db, at, { id: row.id })) === 0) throw new Failure('notFound', missing)
    const reason = 'the challenge that it was asked with was revoked: ask for another one'
    const withdrawn = await withdrawChallenged(db, row, { actor: requester, at, reason })
    await audit(db, requester, at, {
      action: 'challenge.revoked',
      organizationId: row.organization_id,
      subject: { kind: 'challenge', id: row.id },
      details: { kind: row.kind, profile: row.profile, withdrawn },
    })
  })
}

/** What is revoked keeps no hash: nobody can find it, and the same static one can be set again. */
async function endRows(
  db: Database,
  at: Date,
  which: { id: number } | { profileId: number; kind: string },
): Promise<number> {
  const update = withTables<CoreTables>(db)
    .updateTable('challenges')
    .set({ revoked_at: at.getTime(), hash: null, sealed: null })
    .where('revoked_at', 'is', null)
  const found =
    'id' in which
      ? update.where('id', '=', which.id)
      : update.where('profile_id', '=', which.profileId).where('kind', '=', which.kind)
  return (await found.returning('id').execute()).length
}
