import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { LimitFilter, LimitRef, LimitView, OverrideDraft } from '../admin.ts'
import { type Actor, type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import { findProfileRow } from '../profile/profileAdmin.ts'
import type { CoreTables } from '../tables.ts'
import { ahead, type Bucket } from './limit.ts'
import { dropOverride, FOREVER, setOverride } from './override.ts'
import { rateText, readRate } from './rate.ts'

const MOST = 200

/** See Admin.limits. */
export async function viewLimits({ it, requester }: AdminContext, filter: LimitFilter): Promise<LimitView[]> {
  const { db } = it
  const at = it.clock()
  const actor = await actorOf(db, requester)
  const profiles = await managedProfiles(db, actor, filter.profile)
  if (profiles.length === 0) return []
  let query = rows(db)
    .where('limit_buckets.profile_id', 'in', profiles)
    .where(({ or, eb }) => or([eb('arrival', '>', at.getTime() * 1_000), eb('overridden_until', '>', at.getTime())]))
  if (filter.limit !== undefined) query = query.where('limit_buckets.name', '=', filter.limit)
  if (filter.key !== undefined) {
    const found = db.dialect === 'sqlite' ? sql`instr` : sql`strpos`
    query = query.where(sql<boolean>`${found}(limit_buckets.key, ${filter.key}) > 0`)
  }
  return (await query.orderBy('arrival', 'desc').limit(MOST).execute()).map((row) => toView(row, at))
}

async function managedProfiles(db: Database, actor: Actor, name: string | undefined): Promise<number[]> {
  let query = withTables<CoreTables>(db).selectFrom('ra_profiles').select(['id', 'organization_id', 'authority_id'])
  if (name !== undefined) query = query.where('name', '=', name)
  const ids: number[] = []
  for (const { id, organization_id: organizationId, authority_id: authorityId } of await query.execute()) {
    const scope = { organizationId, authorityId, profileId: id }
    if (!actor.user || (await hasCapability(db, actor.user, 'manage', scope))) ids.push(id)
  }
  return ids
}

/** See Admin.overrideLimit. */
export async function overrideLimit(context: AdminContext, { override, ...ref }: OverrideDraft): Promise<LimitView> {
  const { rate, until, note } = override
  const at = context.it.clock()
  // Before anything is stored.
  const shown = rateText(readRate(rate))
  if (until && until <= at) throw new Failure('malformed', 'an override ends in the future')
  const details = { rate: shown, ...(until ? { until } : {}), ...(note === undefined ? {} : { note }) }
  await change(context, ref, async (db, bucket) => {
    await setOverride(db, bucket, override, at)
    return { action: 'limit.overridden', details }
  })
  const row = await rows(context.it.db)
    .where('ra_profiles.name', '=', ref.profile)
    .where('limit_buckets.name', '=', ref.limit)
    .where('limit_buckets.key', '=', ref.key)
    .executeTakeFirst()
  if (!row) throw new Failure('conflict', 'the override was removed meanwhile')
  return toView(row, at)
}

/** See Admin.removeOverride. Throws Failure('notFound') where there is none. */
export async function removeOverride(context: AdminContext, ref: LimitRef): Promise<void> {
  await change(context, ref, async (db, bucket) => {
    if (!(await dropOverride(db, bucket, context.it.clock())))
      throw new Failure('notFound', `there is no override of ${ref.limit} for ${ref.key}`)
    return { action: 'limit.override_removed', details: {} }
  })
}

/** See Admin.resetLimit. */
export async function resetLimit(
  context: AdminContext,
  { limit, ...ref }: Omit<LimitRef, 'limit'> & { limit?: string },
): Promise<number> {
  let count = 0
  await change(context, { ...ref, limit: limit ?? '' }, async (db, { profileId, key }) => {
    const at = context.it.clock().getTime()
    const tables = withTables<CoreTables>(db)
    const only = limit === undefined ? sql<boolean>`1 = 1` : sql<boolean>`name = ${limit}`
    const ended = await tables
      .deleteFrom('limit_buckets')
      .where('profile_id', '=', profileId)
      .where('key', '=', key)
      .where(only)
      .where(({ or, and, eb }) =>
        or([eb('overridden_until', '<=', at), and([eb('burst', '=', 0), eb('spacing', '>', 0)])]),
      )
      .returning('name')
      .execute()
    const filled = await tables
      .updateTable('limit_buckets')
      .set({ arrival: 0 })
      .where('profile_id', '=', profileId)
      .where('key', '=', key)
      .where(only)
      .returning('name')
      .execute()
    const limits = [...ended, ...filled].map(({ name }) => name)
    count = limits.length
    if (count === 0) throw new Failure('notFound', `nothing is counted for ${key}, or its name is written differently`)
    return { action: 'limit.reset', details: { limits } }
  })
  return count
}

interface Done {
  action: string
  details: Record<string, unknown>
}

/** Needs manage on the profile. Throws Failure('notFound') also for a profile of another organization. */
async function change(
  { it, requester }: AdminContext,
  { profile: name, limit, key }: LimitRef,
  work: (db: Database, bucket: Bucket) => Promise<Done>,
): Promise<void> {
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const profile = await findProfileRow(db, actor, name)
    if (!profile) throw new Failure('notFound', `there is no profile ${name}`)
    const { id: profileId, organization_id: organizationId, authority_id: authorityId } = profile
    await requireCapability(db, actor, 'manage', { organizationId, authorityId, profileId })
    const { action, details } = await work(db, { profileId, limit, key })
    await audit(db, requester, it.clock(), {
      action,
      organizationId,
      subject: { kind: 'profile', id: profileId },
      details: { profile: name, ...(limit === '' ? {} : { limit }), key, ...details },
    })
  })
}

function rows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('limit_buckets')
    .innerJoin('ra_profiles', 'ra_profiles.id', 'limit_buckets.profile_id')
    .selectAll('limit_buckets')
    .select('ra_profiles.name as profile')
}

type Row = Awaited<ReturnType<ReturnType<typeof rows>['execute']>>[number]

function toView({ profile, name, key, arrival, note, overridden_until, ...rate }: Row, at: Date): LimitView {
  const left = ahead(arrival, rate, at)
  const overridden = overridden_until > at.getTime()
  return {
    profile,
    limit: name,
    key,
    rate: rateText(rate),
    used: rate.spacing === 0 ? 0 : Math.ceil(left / rate.spacing),
    freeAt: left === 0 ? null : new Date(at.getTime() + Math.ceil(left / 1_000)),
    overridden,
    until: overridden && overridden_until !== FOREVER ? new Date(overridden_until) : null,
    note: overridden ? note : null,
  }
}
