import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import {
  type Actor,
  type AdminContext,
  actorOf,
  organizationFor,
  requireCapability,
  seesOrganization,
} from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { findUser } from '../identity/identity.ts'
import type { CoreTables } from '../tables.ts'
import { text } from '../text.ts'
import { uuidv7 } from '../uuid.ts'
import { begin } from './discoveryRun.ts'
import { countPlaces, mostTargets, parseTarget } from './discoveryTarget.ts'
import { type Discovery, type DiscoveryRow, viewDiscoveries } from './discoveryView.ts'

/** So many has an organization at most. */
const MOST = 100

const targets = z.array(text(300)).min(1).max(mostTargets)
/** A year at most. */
const intervalHours = z.int().min(1).max(8760)
const owner = text(99)

const draft = z.strictObject({
  name: text(100),
  targets,
  intervalHours: intervalHours.optional(),
  enabled: z.boolean().default(true),
  /** Name of a user of the organization; absent: who makes it. */
  owner: owner.optional(),
})
export type DiscoveryDraft = z.input<typeof draft>

const change = z.strictObject({
  name: text(100).optional(),
  targets: targets.optional(),
  /** Null: it runs when it is asked to. */
  intervalHours: intervalHours.nullable().optional(),
  enabled: z.boolean().optional(),
  owner: owner.nullable().optional(),
})
export type DiscoveryChange = z.input<typeof change>

function read<T>(schema: z.ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Failure('malformed', `${issue?.path.join('.') ?? ''}: ${issue?.message}`)
}

/** One that the requester may manage. Throws Failure: notFound also for another organization's, forbidden. */
export async function managedDiscovery(db: Database, actor: Actor, uuid: string): Promise<DiscoveryRow> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('discoveries')
    .selectAll()
    .where('uuid', '=', uuid)
    .executeTakeFirst()
  if (!row || !seesOrganization(actor, row.organization_id)) throw new Failure('notFound', 'there is no such discovery')
  await requireCapability(db, actor, 'manage', { organizationId: row.organization_id })
  return row
}

/** See Discoveries.list. */
export async function listDiscoveries({ it, requester }: AdminContext, organization?: string): Promise<Discovery[]> {
  const actor = await actorOf(it.db, requester)
  const { id: organizationId } = await organizationFor(it.db, actor, organization)
  await requireCapability(it.db, actor, 'manage', { organizationId })
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('discoveries')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .orderBy('name')
    .execute()
  return viewDiscoveries(it.db, rows)
}

/** See Discoveries.read. */
export async function readDiscovery({ it, requester }: AdminContext, uuid: string): Promise<Discovery> {
  return shown(it.db, await managedDiscovery(it.db, await actorOf(it.db, requester), uuid))
}

async function shown(db: Database, row: DiscoveryRow): Promise<Discovery> {
  const [view] = await viewDiscoveries(db, [row])
  if (!view) throw new Failure('notFound', 'there is no such discovery')
  return view
}

/** See Discoveries.add. */
export async function addDiscovery(
  { it, requester }: AdminContext,
  given: DiscoveryDraft,
  organization?: string,
): Promise<Discovery> {
  const { name, owner, enabled, ...rest } = read(draft, given)
  const total = countPlaces(rest.targets.map(parseTarget))
  const at = it.clock()
  const uuid = uuidv7(at)
  return named(name, () =>
    transaction(it.db, async (db) => {
      const actor = await actorOf(db, requester)
      const { id: organizationId } = await organizationFor(db, actor, organization)
      await requireCapability(db, actor, 'manage', { organizationId })
      await refuseMore(db, organizationId)
      const own = actor.user?.organizationId === organizationId ? actor.user.id : null
      const row = await withTables<CoreTables>(db)
        .insertInto('discoveries')
        .values({
          uuid,
          organization_id: organizationId,
          name,
          targets: JSON.stringify(rest.targets),
          owner_id: owner === undefined ? own : await ownerId(db, organizationId, owner),
          enabled: enabled ? 1 : 0,
          interval_hours: rest.intervalHours ?? null,
          next_at: rest.intervalHours === undefined ? null : at.getTime(),
          ...neverRun,
          total,
          turn_at: at.getTime(),
          created_at: at.getTime(),
        })
        .returningAll()
        .executeTakeFirstOrThrow()
      await audit(db, requester, at, {
        action: 'discovery.created',
        organizationId,
        subject: { kind: 'discovery', id: row.id },
        details: { uuid, name, ...rest, enabled, places: total },
      })
      return shown(db, row)
    }),
  )
}

const neverRun = {
  running: 0,
  run: 0,
  position: 0,
  started_at: null,
  ended_at: null,
  found: 0,
  new_certificates: 0,
  unreachable: 0,
  refused: 0,
  unreadable: 0,
  lease_owner: null,
  lease_until: null,
}

async function named<T>(name: string | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new Failure('conflict', `there is a discovery ${name} already`, { cause: error })
  }
}

async function refuseMore(db: Database, organizationId: number): Promise<void> {
  const { count } = await withTables<CoreTables>(db)
    .selectFrom('discoveries')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('organization_id', '=', organizationId)
    .executeTakeFirstOrThrow()
  if (Number(count) >= MOST) throw new Failure('conflict', `an organization has at most ${MOST} discoveries`)
}

async function ownerId(db: Database, organizationId: number, name: string): Promise<number> {
  const user = await findUser(db, { name })
  if (user?.organizationId !== organizationId) throw new Failure('malformed', `owner: there is no user ${name}`)
  return user.id
}

/** See Discoveries.change. */
export async function changeDiscovery(
  { it, requester }: AdminContext,
  uuid: string,
  given: DiscoveryChange,
): Promise<Discovery> {
  const { owner, ...rest } = read(change, given)
  const total = rest.targets && countPlaces(rest.targets.map(parseTarget))
  const at = it.clock()
  return named(rest.name, () =>
    transaction(it.db, async (db) => {
      const row = await managedDiscovery(db, await actorOf(db, requester), uuid)
      const interval = rest.intervalHours === undefined ? row.interval_hours : rest.intervalHours
      const stops = row.running === 1 && (rest.targets !== undefined || rest.enabled === false)
      const changed = await withTables<CoreTables>(db)
        .updateTable('discoveries')
        .set({
          name: rest.name ?? row.name,
          enabled: (rest.enabled ?? row.enabled === 1) ? 1 : 0,
          interval_hours: interval,
          ...(interval === row.interval_hours ? {} : { next_at: interval === null ? null : at.getTime() }),
          ...(owner === undefined
            ? {}
            : { owner_id: owner === null ? null : await ownerId(db, row.organization_id, owner) }),
          ...(rest.targets ? { targets: JSON.stringify(rest.targets), total: total ?? row.total } : {}),
          // What a run still brings is of places that are no targets any more.
          ...(rest.targets && interval !== null ? { next_at: at.getTime() } : {}),
          ...(stops ? { running: 0, run: row.run + 1, lease_owner: null, lease_until: null } : {}),
        })
        .where('id', '=', row.id)
        .returningAll()
        .executeTakeFirstOrThrow()
      await audit(db, requester, at, {
        action: 'discovery.changed',
        organizationId: row.organization_id,
        subject: { kind: 'discovery', id: row.id },
        details: { uuid, ...rest, ...(owner === undefined ? {} : { owner }), ...(stops ? { stopped: true } : {}) },
      })
      return shown(db, changed)
    }),
  )
}

/** See Discoveries.remove. */
export async function removeDiscovery({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const row = await managedDiscovery(db, await actorOf(db, requester), uuid)
    const tables = withTables<CoreTables>(db)
    await tables.deleteFrom('discovery_places').where('discovery_id', '=', row.id).execute()
    await tables.deleteFrom('discoveries').where('id', '=', row.id).execute()
    await audit(db, requester, at, {
      action: 'discovery.removed',
      organizationId: row.organization_id,
      subject: { kind: 'discovery', id: row.id },
      details: { uuid, name: row.name },
    })
  })
}

/** See Discoveries.run. */
export async function runNow({ it, requester }: AdminContext, uuid: string): Promise<Discovery> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const row = await managedDiscovery(db, await actorOf(db, requester), uuid)
    if (!(await begin(db, row.id, at))) throw new Failure('conflict', 'it is running already')
    await audit(db, requester, at, {
      action: 'discovery.run_asked',
      organizationId: row.organization_id,
      subject: { kind: 'discovery', id: row.id },
      details: { uuid, name: row.name },
    })
    return shown(db, await managedDiscovery(db, await actorOf(db, requester), uuid))
  })
}
