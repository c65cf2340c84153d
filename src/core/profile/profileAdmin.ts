import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Admin, ProfileView } from '../admin.ts'
import {
  type Actor,
  type AdminContext,
  actorOf,
  isSuperuser,
  organizationFor,
  requireCapability,
} from '../adminActor.ts'
import { tellOfOperator } from '../audit/operatorAlert.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { canonicalJson } from '../canonicalJson.ts'
import { Failure } from '../failure.ts'
import { reaches } from '../identity/tokenScope.ts'
import type { CoreTables } from '../tables.ts'
import { saveProfile } from './profiles.ts'
import { ruleWarnings } from './profileWarnings.ts'
import { type ApprovalRules, actions, approvalRules } from './rule.ts'

/** The profiles of the requester's organization that he reaches, of all of them for a superuser, by name; none that is built in. */
export async function listProfiles({ it, requester }: AdminContext): Promise<ProfileView[]> {
  const actor = await actorOf(it.db, requester)
  const rows = await profileRows(it.db, actor).orderBy('ra_profiles.name').execute()
  return rows.filter((row) => reachesProfile(actor, row)).map(toView)
}

/** Whether the scope of a token, where it has one, goes as far as this profile. */
export function reachesProfile({ user }: Actor, row: Pick<ProfileRow, 'id' | 'authority_id'>): boolean {
  return reaches(user?.scope, { authorityId: row.authority_id, profileId: row.id })
}

/** Throws Failure('notFound') also for a profile of another organization, and for one that is built in. */
export async function showProfile({ it, requester }: AdminContext, name: string): Promise<ProfileView> {
  const actor = await actorOf(it.db, requester)
  const row = await findProfileRow(it.db, actor, name)
  if (!row || !reachesProfile(actor, row)) throw new Failure('notFound', `there is no profile ${name}`)
  return toView(row)
}

/**
 * See Admin.saveProfile. Needs manage: on the profile if it is there, and on the authority that it is to use unless it
 * uses that one already.
 */
export async function replaceProfile(
  context: AdminContext & { checkProtocols: (protocols: Record<string, unknown>) => void },
  draft: Parameters<Admin['saveProfile']>[0],
): Promise<ProfileView & { warnings: string[] }> {
  context.checkProtocols(draft.protocols)
  const { warnings } = await transaction(context.it.db, (db) => storeProfile(db, context, draft))
  return { ...(await showProfile(context, draft.name)), warnings }
}

/** As replaceProfile, in the caller's transaction; the options of its protocols have been checked. */
export async function storeProfile(
  db: Database,
  { it, requester }: AdminContext,
  draft: Parameters<Admin['saveProfile']>[0],
): Promise<{ id: number; warnings: string[] }> {
  const actor = await actorOf(db, requester)
  const authority = await findAuthorityRow(db, actor, draft.authority)
  const known = await findProfileRow(db, actor, draft.name)
  const organizationId = known ? known.organization_id : (await organizationFor(db, actor, draft.organization)).id
  if (known && draft.organization !== undefined && draft.organization !== known.organization) {
    throw new Failure('conflict', `the profile ${draft.name} belongs to the organization ${known.organization}`)
  }
  if (authority.organization_id !== organizationId) {
    throw new Failure('malformed', `the authority ${draft.authority} belongs to another organization than the profile`)
  }
  if (known) {
    const scope = { organizationId, authorityId: known.authority_id, profileId: known.id }
    await requireCapability(db, actor, 'manage', scope)
  }
  if (known?.authority_id !== authority.id) {
    await requireCapability(db, actor, 'manage', { organizationId, authorityId: authority.id })
  }
  const { name, settings, protocols, rules } = draft
  const saved = { name, settings, protocols, rules, organizationId, authorityId: authority.id, builtin: false }
  const at = it.clock()
  const { id } = await saveProfile(db, { ...saved, enabled: draft.enabled ?? true }, { actor: requester, at })
  const now = approvalRules.parse(rules)
  const before = known && approvalRules.parse(JSON.parse(known.rules))
  const what = whoDecides({ name, now, before, moved: known?.authority_id !== authority.id })
  if (what) await tellOfOperator(db, actor, { at, organizationId, subject: { kind: 'profile', id }, what })
  return { id, warnings: await ruleWarnings(db, organizationId, now, before) }
}

interface Rules {
  name: string
  now: ApprovalRules
  before: ApprovalRules | undefined
  /** Whether another authority, and so another owner, is asked where no rule decides. */
  moved: boolean
}

/** What changes who decides on orders, in words; undefined when nothing does. */
function whoDecides({ name, now, before, moved }: Rules): string | undefined {
  if (!before)
    return actions.some((action) => now[action].length > 0) ? `made the profile ${name} with rules` : undefined
  if (canonicalJson(now) !== canonicalJson(before)) return `changed the rules of the profile ${name}`
  return moved ? `moved the profile ${name} to another authority` : undefined
}

export async function findProfileRow(db: Database, actor: Actor, name: string): Promise<ProfileRow | undefined> {
  return profileRows(db, actor).where('ra_profiles.name', '=', name).executeTakeFirst()
}

/** Those that an actor sees, of one organization or, for a superuser, of all; none that is built in. */
export function profileRows(db: Database, actor: Actor) {
  const query = withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .innerJoin('authorities', 'authorities.id', 'ra_profiles.authority_id')
    .innerJoin('organizations', 'organizations.id', 'ra_profiles.organization_id')
    .selectAll('ra_profiles')
    .select([
      'authorities.name as authority',
      'authorities.uuid as authority_uuid',
      'organizations.name as organization',
    ])
    .where('ra_profiles.builtin', '=', 0)
  if (isSuperuser(actor) || !actor.user) return query
  return query.where('ra_profiles.organization_id', '=', actor.user.organizationId)
}

export type ProfileRow = Awaited<ReturnType<ReturnType<typeof profileRows>['execute']>>[number]

/** As it was written. */
export function toView(row: ProfileRow): ProfileView {
  return {
    name: row.name,
    uuid: row.uuid,
    authority: row.authority,
    organization: row.organization,
    enabled: row.enabled === 1,
    version: row.version,
    settings: JSON.parse(row.settings),
    protocols: JSON.parse(row.protocols),
    rules: approvalRules.parse(JSON.parse(row.rules)),
  }
}
