import { randomBytes } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type Actor, type AdminContext, actorOf, requireCapability, seesOrganization } from '../adminActor.ts'
import { withdrawEnrolled } from '../approval/withdrawWaiting.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import { findProfileRow } from '../profile/profileAdmin.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { type CredentialKind, credentialName, credentialNames, sealPurpose } from './credential.ts'
import { checkedKek } from './keyEncryptionKey.ts'

/** A credential with which clients may enrol under a profile. */
export interface CredentialDraft {
  kind: CredentialKind
  profile: string
  /** Public; absent: its uuid. */
  name?: string
  /** CredentialNames as people write them; absent: whatever the profile certifies. */
  identifiers?: unknown
  /** Good for one enrolment; else for any number. */
  singleUse?: boolean
  /** Until when clients can enrol with it. */
  expiresAt?: Date
  note?: string
  /** Only of the kind kek: one that exists, 16, 24 or 32 octets in base64url. */
  secret?: string
}

export interface CredentialView {
  uuid: string
  kind: CredentialKind
  name: string
  profile: string
  /** As written; null: whatever the profile certifies. */
  identifiers: unknown
  singleUse: boolean
  note: string | null
  createdBy: string
  createdAt: Date
  expiresAt: Date | null
  usedAt: Date | null
  /** requesterKey of whoever used it last. */
  usedBy: string | null
  revokedAt: Date | null
}

/** For eab as long as the hash of HS512, so that it is long enough for all (RFC 7518 section 3.2); for cmc and cmp no longer than people can type. */
const SECRET_OCTETS = { eab: 64, cmc: 24, cmp: 24, kek: 32 } satisfies Record<CredentialKind, number>

/**
 * See Admin.createCredential. Needs manage on the profile, and a user: whoever makes a credential is behind what is asked
 * with it, and does not decide on that.
 */
export async function newCredential(
  { it, requester }: AdminContext,
  draft: CredentialDraft,
): Promise<{ secret: string; view: CredentialView }> {
  const at = it.clock()
  if (draft.expiresAt && draft.expiresAt <= at) throw new Failure('malformed', 'a credential ends in the future')
  const identifiers = checkedIdentifiers(draft.identifiers)
  const secret = secretOf(draft)
  const uuid = uuidv7(at)
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    if (!actor.user)
      throw new Failure('forbidden', 'a credential is made by a user: its maker may not approve what is asked with it')
    const profile = await findProfileRow(db, actor, draft.profile)
    if (!profile) throw new Failure('notFound', `there is no profile ${draft.profile}`)
    const { id: profileId, organization_id: organizationId, authority_id: authorityId } = profile
    await requireCapability(db, actor, 'manage', { organizationId, authorityId, profileId })
    const name = checkedName(draft.name ?? uuid)
    const row = await withTables<CoreTables>(db)
      .insertInto('credentials')
      .values({
        uuid,
        kind: draft.kind,
        name,
        sealed: it.vault.seal(Buffer.from(secret, 'base64url'), uuid, sealPurpose(draft.kind)),
        profile_id: profileId,
        organization_id: organizationId,
        identifiers: identifiers ?? null,
        single_use: draft.singleUse ? 1 : 0,
        note: draft.note ?? null,
        created_by: actor.user.id,
        created_at: at.getTime(),
        expires_at: draft.expiresAt?.getTime() ?? null,
      })
      .onConflict((conflict) => conflict.columns(['profile_id', 'kind', 'name']).doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!row) throw new Failure('conflict', `the profile ${draft.profile} has a credential ${name} already`)
    await audit(db, requester, at, {
      action: 'credential.created',
      organizationId,
      subject: { kind: 'credential', id: row.id },
      details: { kind: draft.kind, name, profile: draft.profile, identifiers, singleUse: draft.singleUse ?? false },
    })
  })
  const [view] = (await rows(it.db).where('credentials.uuid', '=', uuid).execute()).map(toView)
  if (!view) throw new Failure('internal', 'the credential is gone')
  return { secret, view }
}

/** Devices may have a key-encryption key from their factory; every other secret is made here. */
function secretOf({ kind, secret }: CredentialDraft): string {
  if (secret === undefined) return newSecret(SECRET_OCTETS[kind])
  if (kind !== 'kek') throw new Failure('malformed', 'this kind of credential has a secret that is made here')
  return checkedKek(secret)
}

/** Base64url that begins with a letter or a digit: programs take what begins with a dash for an option. */
function newSecret(octets: number): string {
  for (;;) {
    const text = randomBytes(octets).toString('base64url')
    if (!text.startsWith('-')) return text
  }
}

function checkedName(name: string): string {
  if (credentialName.test(name)) return name
  throw new Failure('malformed', 'the name of a credential has 1 to 99 letters, digits and . _ : @ / -')
}

/** JSON of CredentialNames as written, so that what a later version adds has its default. */
function checkedIdentifiers(given: unknown): string | undefined {
  if (given === undefined) return undefined
  const parsed = credentialNames.safeParse(given)
  if (parsed.success) return JSON.stringify(given)
  const problems = parsed.error.issues.map(({ path, message }) => ({
    at: ['identifiers', ...path].join('.'),
    code: 'malformed' as const,
    detail: message,
  }))
  const [first] = problems
  throw new Failure('malformed', `${first?.at}: ${first?.detail}`, { problems })
}

/** See Admin.credentials. */
export async function viewCredentials(
  { it, requester }: AdminContext,
  filter: { profile?: string; kind?: CredentialKind },
): Promise<CredentialView[]> {
  const actor = await actorOf(it.db, requester)
  let query = rows(it.db)
  if (filter.profile !== undefined) query = query.where('ra_profiles.name', '=', filter.profile)
  if (filter.kind !== undefined) query = query.where('credentials.kind', '=', filter.kind)
  const seen = new Map<number, boolean>()
  const shown: CredentialView[] = []
  for (const row of await query.execute()) {
    const may = seen.get(row.profile_id) ?? (await mayManage(it.db, actor, row))
    seen.set(row.profile_id, may)
    if (may) shown.push(toView(row))
  }
  return shown
}

async function mayManage(db: Database, actor: Actor, row: CredentialRow): Promise<boolean> {
  if (!actor.user) return true
  const { organization_id: organizationId, authority_id: authorityId, profile_id: profileId } = row
  return hasCapability(db, actor.user, 'manage', { organizationId, authorityId, profileId })
}

/** See Admin.revokeCredential. Throws Failure('notFound') also for one of another organization, and for one that is revoked. */
export async function endCredential({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await rows(db).where('credentials.uuid', '=', uuid).executeTakeFirst()
    if (!row || !seesOrganization(actor, row.organization_id)) throw notFound()
    const { organization_id: organizationId, authority_id: authorityId, profile_id: profileId } = row
    await requireCapability(db, actor, 'manage', { organizationId, authorityId, profileId })
    const ended = await withTables<CoreTables>(db)
      .updateTable('credentials')
      .set({ revoked_at: at.getTime() })
      .where('id', '=', row.id)
      .where('revoked_at', 'is', null)
      .returning('id')
      .executeTakeFirst()
    if (!ended) throw notFound()
    const reason = `the credential ${row.name} was revoked: ask for another one`
    const withdrawn = await withdrawEnrolled(db, { id: row.id, profileId }, { actor: requester, at, reason })
    await audit(db, requester, at, {
      action: 'credential.revoked',
      organizationId,
      subject: { kind: 'credential', id: row.id },
      details: { kind: row.kind, name: row.name, profile: row.profile, withdrawn },
    })
  })
}

function notFound(): Failure {
  return new Failure('notFound', 'there is no such credential, or it is revoked already')
}

function rows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('credentials')
    .innerJoin('ra_profiles', 'ra_profiles.id', 'credentials.profile_id')
    .innerJoin('users', 'users.id', 'credentials.created_by')
    .select(['credentials.id', 'credentials.uuid', 'credentials.kind', 'credentials.name', 'credentials.note'])
    .select(['credentials.profile_id', 'credentials.organization_id', 'credentials.identifiers'])
    .select(['credentials.single_use', 'credentials.created_at', 'credentials.expires_at', 'credentials.used_at'])
    .select(['credentials.used_by', 'credentials.revoked_at', 'users.name as createdBy'])
    .select(['ra_profiles.name as profile', 'ra_profiles.authority_id'])
    .orderBy('credentials.id', 'desc')
}

type CredentialRow = Awaited<ReturnType<ReturnType<typeof rows>['execute']>>[number]

function toView(row: CredentialRow): CredentialView {
  const time = (at: number | null) => (at === null ? null : new Date(at))
  return {
    uuid: row.uuid,
    kind: row.kind as CredentialKind,
    name: row.name,
    profile: row.profile,
    identifiers: row.identifiers === null ? null : JSON.parse(row.identifiers),
    singleUse: row.single_use === 1,
    note: row.note,
    createdBy: row.createdBy,
    createdAt: new Date(row.created_at),
    expiresAt: time(row.expires_at),
    usedAt: time(row.used_at),
    usedBy: row.used_by,
    revokedAt: time(row.revoked_at),
  }
}
