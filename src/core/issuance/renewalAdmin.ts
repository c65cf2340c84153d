import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Admin, RenewalWindowView } from '../admin.ts'
import {
  type Actor,
  type AdminContext,
  actorOf,
  isSuperuser,
  organizationFor,
  requireAdministrator,
  requireCapability,
  requireSuperuser,
} from '../adminActor.ts'
import { type AuditSubject, audit } from '../audit/audit.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { type CertificateRef, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { findProfileRow } from '../profile/profileAdmin.ts'
import type { CoreTables } from '../tables.ts'

type Draft = Parameters<Admin['setRenewalWindow']>[0]

/** What a window is for; null: any. */
interface Scope {
  organization_id: number | null
  authority_id: number | null
  profile_id: number | null
  certificate_id: number | null
}

const second = 1_000

/** See Admin.setRenewalWindow. */
export async function setRenewalWindow(context: AdminContext, draft: Draft): Promise<RenewalWindowView[]> {
  const { it, requester } = context
  const at = it.clock()
  const window = readWindow(draft)
  const ids = await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const scopes = await scopesOf(db, actor, draft)
    const made: number[] = []
    for (const scope of scopes) {
      await requireRight(db, actor, scope)
      const row = { ...scope, ...window, issued_before: draft.issuedBefore?.getTime() ?? at.getTime() + 1 }
      const { id } = await withTables<CoreTables>(db)
        .insertInto('renewal_windows')
        .values({ ...row, created_at: at.getTime() })
        .returning('id')
        .executeTakeFirstOrThrow()
      await note(db, context, { action: 'renewal_window.set', scope, details: { window: id, ...window } })
      made.push(id)
    }
    return made
  })
  return (await listRenewalWindows(context)).filter(({ id }) => ids.includes(id))
}

/** See Admin.removeRenewalWindow. */
export async function removeRenewalWindow(context: AdminContext, id: number): Promise<void> {
  const { it, requester } = context
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const scope = await visibleRows(db, actor).where('w.id', '=', id).executeTakeFirst()
    if (!scope) throw new Failure('notFound', `there is no renewal window ${id}`)
    await requireRight(db, actor, scope)
    await withTables<CoreTables>(db).deleteFrom('renewal_windows').where('id', '=', id).execute()
    await note(db, context, { action: 'renewal_window.removed', scope, details: { window: id } })
  })
}

/** See Admin.renewalWindows. */
export async function listRenewalWindows({ it, requester }: AdminContext): Promise<RenewalWindowView[]> {
  const rows = await visibleRows(it.db, await actorOf(it.db, requester))
    .orderBy('w.id', 'desc')
    .execute()
  return rows.map((row) => ({
    id: row.id,
    organization: row.organization,
    authority: row.authority,
    profile: row.profile,
    serial: row.serial,
    issuedBefore: new Date(row.issued_before),
    start: new Date(row.window_start),
    end: new Date(row.window_end),
    explanationUrl: row.explanation_url,
    createdAt: new Date(row.created_at),
  }))
}

/** RFC 9773 section 4.2: one that does not end after its start is never served. Whole seconds. Throws Failure('malformed'). */
function readWindow({ start, end, explanationUrl }: Draft) {
  const from = Math.floor(start.getTime() / second) * second
  const until = Math.floor(end.getTime() / second) * second
  if (until <= from) throw new Failure('malformed', 'the window must end after its start')
  if (explanationUrl !== undefined && !/^https?:\/\/[^\s]{1,500}$/.test(explanationUrl))
    throw new Failure('malformed', 'the explanation is the URL of a page: http or https')
  return { window_start: from, window_end: until, explanation_url: explanationUrl ?? null }
}

/** Exactly one kind of choice. Throws Failure('malformed' | 'notFound'). */
async function scopesOf(db: Database, actor: Actor, draft: Draft): Promise<Scope[]> {
  const { profile, authority, certificates, all } = draft
  // Beside serial numbers an authority says whose they are.
  const kinds = [profile ?? (certificates ? undefined : authority), certificates, all || undefined]
  if (kinds.filter((kind) => kind !== undefined).length !== 1)
    throw new Failure('malformed', 'say for which certificates: of a profile or an authority, by serial number, or all')
  if (certificates) {
    const refs = certificates.map((ref) => ('serial' in ref && authority !== undefined ? { ...ref, authority } : ref))
    return certificateScopes(db, actor, refs)
  }
  if (all) return [{ ...none, organization_id: await organizationOrAll(db, actor, draft.organization) }]
  const byAuthority = authority === undefined ? undefined : await findAuthorityRow(db, actor, authority)
  const byProfile = profile === undefined ? undefined : await findProfileRow(db, actor, profile)
  if (profile !== undefined && !byProfile) throw new Failure('notFound', `there is no profile ${profile}`)
  return [
    {
      organization_id: byProfile?.organization_id ?? byAuthority?.organization_id ?? null,
      authority_id: byAuthority?.id ?? null,
      profile_id: byProfile?.id ?? null,
      certificate_id: null,
    },
  ]
}

const none: Scope = { organization_id: null, authority_id: null, profile_id: null, certificate_id: null }

async function organizationOrAll(db: Database, actor: Actor, name: string | undefined): Promise<number | null> {
  if (name === undefined && isSuperuser(actor)) return null
  return (await organizationFor(db, actor, name)).id
}

async function certificateScopes(db: Database, actor: Actor, refs: readonly CertificateRef[]): Promise<Scope[]> {
  if (refs.length === 0) throw new Failure('malformed', 'name at least one certificate')
  const scopes: Scope[] = []
  for (const ref of refs) {
    const found = await findCertificate(db, ref)
    if (!found || (!isSuperuser(actor) && found.organizationId !== actor.user?.organizationId))
      throw new Failure('notFound', `there is no such certificate: ${Object.values(ref).join(' of ')}`)
    scopes.push({
      organization_id: found.organizationId,
      authority_id: found.authorityId,
      profile_id: found.profileId ?? null,
      certificate_id: found.id,
    })
  }
  return scopes
}

/** manage on what the window is for; for all of an organization, an administrator; for everything, a superuser. */
async function requireRight(db: Database, actor: Actor, scope: Scope): Promise<void> {
  const { organization_id: organizationId, authority_id: authorityId, profile_id: profileId } = scope
  if (organizationId === null) return requireSuperuser(actor)
  if (authorityId === null && profileId === null) return requireAdministrator(actor, organizationId)
  await requireCapability(db, actor, 'manage', {
    organizationId,
    ...(authorityId === null ? {} : { authorityId }),
    ...(profileId === null ? {} : { profileId }),
  })
}

function visibleRows(db: Database, actor: Actor) {
  const query = withTables<CoreTables>(db)
    .selectFrom('renewal_windows as w')
    .leftJoin('organizations as o', 'o.id', 'w.organization_id')
    .leftJoin('authorities as a', 'a.id', 'w.authority_id')
    .leftJoin('ra_profiles as p', 'p.id', 'w.profile_id')
    .leftJoin('certificates as c', 'c.id', 'w.certificate_id')
    .selectAll('w')
    .select(['o.name as organization', 'a.name as authority', 'p.name as profile', 'c.serial'])
  if (isSuperuser(actor) || !actor.user) return query
  return query.where('w.organization_id', '=', actor.user.organizationId)
}

interface Note {
  action: string
  scope: Scope
  details: Record<string, unknown>
}

async function note(db: Database, { it, requester }: AdminContext, { action, scope, details }: Note): Promise<void> {
  const subjects: [AuditSubject, number | null][] = [
    ['certificate', scope.certificate_id],
    ['profile', scope.profile_id],
    ['authority', scope.authority_id],
  ]
  const [kind, id] = subjects.find(([, id]) => id !== null) ?? ['installation', null]
  const organizationId = scope.organization_id
  await audit(db, requester, it.clock(), { action, organizationId, subject: { kind, id }, details })
}
