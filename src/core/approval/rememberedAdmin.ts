import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf, requireCapability, seesOrganization } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { RememberedScope } from './remember.ts'
import { votesOf } from './votes.ts'

/** An approval that lets the same requester's orders pass as long as they ask for no more. */
export interface RememberedApprovalView {
  id: number
  profile: string
  action: string
  requester: string
  /** `type:value` of each name that it covers. */
  names: string[]
  /** The request on which people voted. */
  request: number
  approvers: string[]
  /** For a single order, because the first one failed. */
  once: boolean
  createdAt: Date
  expiresAt: Date
}

const atMost = 1000

/** See Admin.rememberedApprovals. */
export async function viewRemembered({ it, requester }: AdminContext): Promise<RememberedApprovalView[]> {
  const actor = await actorOf(it.db, requester)
  const rows = await keptRows(it.db).where('kept.expires_at', '>', it.clock().getTime()).limit(atMost).execute()
  const views: RememberedApprovalView[] = []
  for (const row of rows) {
    if (!seesOrganization(actor, row.organization_id)) continue
    if (actor.user && !(await hasCapability(it.db, actor.user, 'manage', scopeOf(row)))) continue
    views.push(await toView(it.db, row))
  }
  return views
}

/** See Admin.forgetApproval. Throws Failure('notFound') also for one that the requester does not see. */
export async function forgetRemembered({ it, requester }: AdminContext, id: number): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await keptRows(db).where('kept.id', '=', id).executeTakeFirst()
    if (!row || !seesOrganization(actor, row.organization_id))
      throw new Failure('notFound', `there is no remembered approval ${id}`)
    await requireCapability(db, actor, 'manage', scopeOf(row))
    await withTables<CoreTables>(db).deleteFrom('remembered_approvals').where('id', '=', id).execute()
    await audit(db, requester, at, {
      action: 'approval.forgotten',
      organizationId: row.organization_id,
      subject: { kind: 'sign_request', id: row.request },
      details: { approval: id, decision: row.decision_id, profile: row.profile },
    })
  })
}

function keptRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('remembered_approvals as kept')
    .innerJoin('decisions', 'decisions.id', 'kept.decision_id')
    .innerJoin('sign_requests as asked', 'asked.id', 'decisions.sign_request_id')
    .innerJoin('ra_profiles', 'ra_profiles.id', 'kept.profile_id')
    .select(['kept.id', 'kept.decision_id', 'kept.action', 'kept.scope', 'kept.created_at', 'kept.expires_at'])
    .select(['asked.id as request', 'asked.requester', 'ra_profiles.name as profile', 'ra_profiles.id as profile_id'])
    .select(['ra_profiles.authority_id', 'ra_profiles.organization_id'])
    .orderBy('kept.id', 'desc')
}

type KeptRow = Awaited<ReturnType<ReturnType<typeof keptRows>['execute']>>[number]

function scopeOf({ organization_id: organizationId, authority_id: authorityId, profile_id: profileId }: KeptRow) {
  return { organizationId, authorityId, profileId }
}

async function toView(db: Database, row: KeptRow): Promise<RememberedApprovalView> {
  const votes = await votesOf(db, row.decision_id)
  const requester: Requester = JSON.parse(row.requester)
  const scope: RememberedScope = JSON.parse(row.scope)
  return {
    id: row.id,
    profile: row.profile,
    action: row.action,
    requester: requester.name,
    names: scope.names,
    request: row.request,
    approvers: votes.filter(({ verdict }) => verdict === 'approve').map(({ user }) => user),
    once: !votes.some(({ remember }) => remember !== undefined),
    createdAt: new Date(row.created_at),
    expiresAt: new Date(row.expires_at),
  }
}
