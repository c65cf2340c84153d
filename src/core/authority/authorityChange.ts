import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Admin, AuthorityView } from '../admin.ts'
import { type Actor, type AdminContext, actorOf, organizationFor, requireCapability } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { tellOfOperator } from '../audit/operatorAlert.ts'
import { Failure } from '../failure.ts'
import { findUser } from '../identity/identity.ts'
import type { CoreTables } from '../tables.ts'
import { authoritySettings } from './authority.ts'
import {
  type AuthorityClaim,
  addManualAuthority,
  type Belonging,
  createAuthority,
  importAuthority,
} from './authorityAdmin.ts'
import { findAuthorityRow, showAuthority } from './authorityView.ts'
import { handOverCrl } from './handOver.ts'
import { parsed } from './parsed.ts'

/** See Admin.createAuthority. Needs create_ca, below a parent on that parent. */
export async function newAuthority(
  context: AdminContext,
  draft: Parameters<Admin['createAuthority']>[0],
  claim?: AuthorityClaim,
): Promise<AuthorityView> {
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  const parent = draft.parent === undefined ? undefined : await findAuthorityRow(it.db, actor, draft.parent)
  const belonging = await belongingOf(it.db, actor, draft)
  const on = parent
    ? { organizationId: parent.organization_id, authorityId: parent.id }
    : { organizationId: belonging.organizationId }
  await requireCapability(it.db, actor, 'create_ca', on)
  await createAuthority(it, requester, { ...draft, ...belonging }, claim)
  return showAuthority(context, draft.name)
}

/** See Admin.importAuthority. Needs create_ca. */
export async function importedAuthority(
  context: AdminContext,
  draft: Parameters<Admin['importAuthority']>[0],
): Promise<AuthorityView & { warnings: string[] }> {
  if ((draft.pem === undefined) === (draft.pkcs12 === undefined)) {
    throw new Failure('malformed', 'an authority is imported from PEM or from PKCS #12, one of the two')
  }
  const placed = { ...draft, ...(await creating(context, draft)) }
  const warnings = await importAuthority(context.it, context.requester, placed)
  return { ...(await showAuthority(context, draft.name)), warnings }
}

/** See Admin.addManualAuthority. Needs create_ca. */
export async function manualAuthority(
  context: AdminContext,
  draft: Parameters<Admin['addManualAuthority']>[0],
): Promise<AuthorityView> {
  await addManualAuthority(context.it, context.requester, { ...draft, ...(await creating(context, draft)) })
  return showAuthority(context, draft.name)
}

interface Placed {
  organization?: string
  owner?: string
}

/** Where a new authority belongs. Needs create_ca. */
export async function creating({ it, requester }: AdminContext, draft: Placed): Promise<Belonging> {
  const actor = await actorOf(it.db, requester)
  const belonging = await belongingOf(it.db, actor, draft)
  await requireCapability(it.db, actor, 'create_ca', { organizationId: belonging.organizationId })
  return belonging
}

/** Without an owner named, it is the user who makes the authority. */
async function belongingOf(db: Database, actor: Actor, { organization, owner }: Placed): Promise<Belonging> {
  const { id: organizationId } = await organizationFor(db, actor, organization)
  if (owner === undefined) return { organizationId, ownerId: actor.user?.id ?? null }
  return { organizationId, ownerId: await ownerId(db, organizationId, owner) }
}

/** The owner decides whatever no rule decides: somebody of the same organization, or a superuser, who is enabled. */
async function ownerId(db: Database, organizationId: number, name: string): Promise<number> {
  const user = await findUser(db, { name })
  if (user?.enabled && (user.superuser || user.organizationId === organizationId)) return user.id
  throw new Failure('notFound', `there is no user ${name} who could own this authority`)
}

/** See Admin.changeAuthority. Needs manage on the authority; settings replace all of the earlier ones. */
export async function changeAuthority(
  context: AdminContext,
  name: string,
  change: { enabled?: boolean; owner?: string; settings?: unknown },
): Promise<AuthorityView> {
  await transaction(context.it.db, (db) => storeAuthorityChange(db, context, name, change))
  return showAuthority(context, name)
}

/** As changeAuthority, in the caller's transaction. */
export async function storeAuthorityChange(
  db: Database,
  { it, requester }: AdminContext,
  name: string,
  change: { enabled?: boolean; owner?: string; settings?: unknown },
): Promise<void> {
  const settings = change.settings === undefined ? undefined : parsed(authoritySettings, change.settings, 'settings')
  const actor = await actorOf(db, requester)
  const row = await findAuthorityRow(db, actor, name)
  const { id, organization_id: organizationId } = row
  await requireCapability(db, actor, 'manage', { organizationId, authorityId: id })
  if (settings?.upstream && row.kind !== 'acme')
    throw new Failure('malformed', `settings.upstream: ${name} has no upstream CA`)
  if (settings) await handOverCrl(db, { authorityId: id, organizationId, settings, actor, now: it.clock() })
  const columns = {
    ...(change.enabled === undefined ? {} : { enabled: change.enabled ? 1 : 0 }),
    ...(change.owner === undefined ? {} : { owner_id: await ownerId(db, organizationId, change.owner) }),
    ...(change.settings === undefined ? {} : { settings: JSON.stringify(change.settings) }),
  }
  if (Object.keys(columns).length === 0) throw new Failure('malformed', 'nothing to change was given')
  await withTables<CoreTables>(db)
    .updateTable('authorities')
    .set((eb) => ({ ...columns, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .execute()
  const subject = { kind: 'authority', id } as const
  await audit(db, requester, it.clock(), {
    action: 'authority.changed',
    organizationId,
    subject,
    details: { name, ...change, ...(columns.owner_id === undefined ? {} : { ownerId: columns.owner_id }) },
  })
  if (columns.owner_id !== undefined && change.owner?.toLowerCase() !== row.owner) {
    const what = `made ${change.owner} the owner of the authority ${name}`
    await tellOfOperator(db, actor, { at: it.clock(), organizationId, subject, what })
  }
}
