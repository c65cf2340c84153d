import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type Actor, type AdminContext, actorOf, administers, isSuperuser } from '../adminActor.ts'
import { aboutUser, tellOfOperator } from '../audit/operatorAlert.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { auditUser, findUser, type User } from '../identity/identity.ts'
import { administering } from '../identity/tokenScope.ts'
import { administeredUser } from '../identity/userView.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'

/** Another way for a user to say who he is: a certificate, or a subject of an OpenID provider. */
export type BindingView = { uuid: string; user: string; createdAt: Date } & (
  | { kind: 'certificate'; fingerprint: string }
  | { kind: 'subject'; authority: string; subject: string }
  | { kind: 'oidc'; issuer: string; subject: string }
)

/** `subject` of a certificate: RFC 4514 text, as Certificate.subject has it. */
export type BindingDraft =
  | { kind: 'certificate'; fingerprint: string }
  | { kind: 'subject'; authority: string; subject: string }
  | { kind: 'oidc'; issuer: string; subject: string }

/** See Identities.bindings. */
export async function viewBindings({ it, requester }: AdminContext, name: string): Promise<BindingView[]> {
  return bindingsOf(it.db, await boundUser(it.db, await actorOf(it.db, requester), name))
}

/** See Identities.bind. */
export async function bind({ it, requester }: AdminContext, name: string, draft: BindingDraft): Promise<BindingView> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const user = await boundUser(db, actor, name)
    await holdWaysIn(db, user)
    await requireGiver(db, actor, user, draft)
    const made = { uuid: uuidv7(at), user_id: user.id, created_at: at.getTime() }
    const stored = draft.kind === 'oidc' ? await storeSubject(db, draft, made) : await storeOwn(db, actor, draft, made)
    if (!stored) throw new Failure('conflict', 'this speaks for a user already')
    await endSetupLinks(db, user)
    await auditUser(db, { actor: requester, at }, { user, action: 'user.bound', details: { ...draft } })
    await tellOfOperator(db, actor, { at, ...aboutUser(user), what: `gave ${user.name} another way to log in` })
    return { ...draft, uuid: made.uuid, user: user.name, createdAt: at }
  })
}

/** See Identities.unbind. */
export async function unbind({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const tables = withTables<CoreTables>(db)
    for (const table of ['user_certificates', 'user_identities'] as const) {
      const row = await tables.selectFrom(table).select('user_id').where('uuid', '=', uuid).executeTakeFirst()
      const user = row && (await findUser(db, row.user_id))
      if (!user || !mayTouch(actor, user)) continue
      await holdWaysIn(db, user)
      await requireAnotherWayIn(db, actor, user)
      await tables.deleteFrom(table).where('uuid', '=', uuid).execute()
      await auditUser(db, { actor: requester, at }, { user, action: 'user.unbound', details: { binding: uuid } })
      return
    }
    throw new Failure('notFound', 'there is no such way to log in')
  })
}

async function boundUser(db: Database, actor: Actor, name: string): Promise<User> {
  const { user } = actor
  if (user?.name === name.toLowerCase() && administering(user.scope)) return user
  return administeredUser(db, actor, name)
}

function mayTouch(actor: Actor, user: User): boolean {
  if (isSuperuser(actor)) return true
  if (actor.user?.id === user.id) return administering(actor.user.scope)
  return !user.superuser && administers(actor, user.organizationId)
}

/**
 * Who can log in as somebody has his votes: he binds what is his own himself; for others only superusers do, and
 * administrators for a user who has no way to log in yet. A subject of certificates, which others may be given too, is
 * bound by superusers alone.
 */
async function requireGiver(db: Database, actor: Actor, user: User, draft: BindingDraft): Promise<void> {
  if (actor.user?.superuser) return
  if (draft.kind === 'subject') throw new Failure('forbidden', 'a subject of certificates is bound by a superuser')
  if (actor.user?.id === user.id && draft.kind === 'certificate') return
  if (actor.user?.id !== user.id && !(await hasWayIn(db, user))) return
  throw new Failure('forbidden', `${user.name} can log in already; only a superuser gives him another way`)
}

/** Whom nobody but a superuser gives another way to log in. */
export async function hasWayIn(db: Database, user: User): Promise<boolean> {
  return (await waysIn(db, user)) > 0
}

async function waysIn(db: Database, user: User): Promise<number> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('users')
    .select('password_hash')
    .where('id', '=', user.id)
    .executeTakeFirst()
  return (row?.password_hash == null ? 0 : 1) + (await bindingsOf(db, user)).length
}

/** Until the transaction ends nobody else gives him a way to log in, or takes one. */
export async function holdWaysIn(db: Database, { id }: User): Promise<void> {
  await forUpdate(db, withTables<CoreTables>(db).selectFrom('users').select('id').where('id', '=', id)).execute()
}

/** Whoever takes the only way in from another could then give him one of his own choice. */
async function requireAnotherWayIn(db: Database, actor: Actor, user: User): Promise<void> {
  if (actor.user?.superuser || actor.user?.id === user.id || (await waysIn(db, user)) > 1) return
  const detail = `${user.name} logs in by nothing else: disable him, or let a superuser take it`
  throw new Failure('forbidden', detail)
}

/** A link that was made while there was no way in is not kept for later: whoever has it would have his votes. */
async function endSetupLinks(db: Database, { id }: User): Promise<void> {
  const links = withTables<CoreTables>(db).deleteFrom('setup_links').where('user_id', '=', id)
  await links.where('used_at', 'is', null).execute()
}

interface Made {
  uuid: string
  user_id: number
  created_at: number
}

async function storeSubject(
  db: Database,
  { issuer, subject }: { issuer: string; subject: string },
  made: Made,
): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .insertInto('user_identities')
    .values({ ...made, issuer, subject })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** A certificate of ours that the actor may see, or a subject under an authority that he sees. Throws Failure('notFound'). */
async function storeOwn(
  db: Database,
  actor: Actor,
  draft: Exclude<BindingDraft, { kind: 'oidc' }>,
  made: Made,
): Promise<boolean> {
  const what =
    draft.kind === 'certificate'
      ? {
          fingerprint: await ownFingerprint(db, actor, draft.fingerprint, made.user_id),
          authority_id: null,
          subject: null,
        }
      : {
          fingerprint: null,
          authority_id: (await findAuthorityRow(db, actor, draft.authority)).id,
          subject: draft.subject,
        }
  const row = await withTables<CoreTables>(db)
    .insertInto('user_certificates')
    .values({ ...made, ...what })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

async function ownFingerprint(db: Database, actor: Actor, given: string, userId: number): Promise<string> {
  const fingerprint = given.replaceAll(':', '').toLowerCase()
  const found = await findCertificate(db, { fingerprint })
  const seen = found && (isSuperuser(actor) || actor.user?.organizationId === found.organizationId)
  if (!seen || found.source !== 'managed') throw new Failure('notFound', 'there is no such certificate of ours')
  if (!actor.user?.superuser && (await isAnothers(db, found, userId)))
    throw new Failure('conflict', 'this certificate speaks for another user already, by its subject')
  return fingerprint
}

/** What is said of a certificate counts before what is said of its subject: nobody takes it from another so. */
async function isAnothers(db: Database, { authorityId, subject }: Certificate, userId: number): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('user_certificates')
    .select('user_id')
    .where('authority_id', '=', authorityId)
    .where('subject', '=', subject)
    .executeTakeFirst()
  return row !== undefined && row.user_id !== userId
}

async function bindingsOf(db: Database, { id, name: user }: User): Promise<BindingView[]> {
  const tables = withTables<CoreTables>(db)
  const certificates = await tables
    .selectFrom('user_certificates')
    .leftJoin('authorities', 'authorities.id', 'user_certificates.authority_id')
    .selectAll('user_certificates')
    .select('authorities.name as authority')
    .where('user_id', '=', id)
    .orderBy('user_certificates.id')
    .execute()
  const subjects = await tables
    .selectFrom('user_identities')
    .selectAll()
    .where('user_id', '=', id)
    .orderBy('id')
    .execute()
  const common = ({ uuid, created_at }: Made) => ({ uuid, user, createdAt: new Date(created_at) })
  return [
    ...certificates.map((row): BindingView => {
      if (row.fingerprint !== null) return { ...common(row), kind: 'certificate', fingerprint: row.fingerprint }
      return { ...common(row), kind: 'subject', authority: row.authority ?? '', subject: row.subject ?? '' }
    }),
    ...subjects.map((row): BindingView => ({ ...common(row), kind: 'oidc', issuer: row.issuer, subject: row.subject })),
  ]
}
