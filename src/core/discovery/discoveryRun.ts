import { type Kysely, type Selectable, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { audit } from '../audit/audit.ts'
import type { Installation } from '../installation.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type ReadPlace, takeIn } from './discovered.ts'
import { BATCH, homeOf, lookAt, together } from './discoveryLook.ts'
import type { DiscoveryReach } from './discoveryReach.ts'
import { parseTarget, placesFrom, type Target } from './discoveryTarget.ts'
import { markSightings } from './sighting.ts'

type Row = Selectable<CoreTables['discoveries']>

/** Longer than a batch takes. */
const LEASE = 120_000
/** For how long one call goes on. */
const SPELL = 5_000
const HOUR = 3_600_000
const actor = system('discovery')

/**
 * Begins what is due, and goes on with what runs: a batch of one discovery, then of the next. What is found is stored with how far the run has come, so that a
 * batch that was cut off is done again. Answers how many batches were done.
 */
export async function runDiscoveries(it: Installation, reach: DiscoveryReach): Promise<number> {
  const until = it.clock().getTime() + SPELL
  await beginDue(it)
  for (let batches = 0; ; batches++) {
    const row = reach.stopped ? undefined : await claim(it)
    if (!row) return batches
    await runBatch(it, reach, row)
    if (it.clock().getTime() > until) return batches + 1
  }
}

async function beginDue(it: Installation): Promise<void> {
  const at = it.clock()
  const { rows } = await dueToBegin(it.db, at.getTime())
  for (const { id } of rows) await transaction(it.db, (db) => begin(db, id, at))
}

const dueToBegin = statement((tables: Kysely<CoreTables>, now: number) =>
  tables
    .selectFrom('discoveries')
    .select('id')
    .where('enabled', '=', 1)
    .where('running', '=', 0)
    .where('next_at', '<=', now)
    .orderBy('next_at')
    .limit(sql.lit(20)),
)

/** In the caller's transaction. False: a run is under way. */
export async function begin(db: Database, id: number, at: Date): Promise<boolean> {
  const now = at.getTime()
  const begun = await withTables<CoreTables>(db)
    .updateTable('discoveries')
    .set((eb) => ({
      running: 1,
      run: eb('run', '+', 1),
      position: 0,
      started_at: now,
      ended_at: null,
      next_at: sql<number | null>`interval_hours * ${HOUR} + ${now}`,
      found: 0,
      new_certificates: 0,
      unreachable: 0,
      refused: 0,
      unreadable: 0,
      lease_owner: null,
      lease_until: null,
      turn_at: now,
    }))
    .where('id', '=', id)
    .where('running', '=', 0)
    .returning('id')
    .executeTakeFirst()
  return begun !== undefined
}

/** Takes the one whose turn was longest ago, for this node alone. */
async function claim({ db, clock, node }: Installation): Promise<Row | undefined> {
  const now = clock().getTime()
  // On SQLite nobody else runs on this file: what another process held is free.
  const free =
    db.dialect === 'sqlite'
      ? sql<boolean>`(lease_until is null or lease_until <= ${now} or lease_owner <> ${node})`
      : sql<boolean>`(lease_until is null or lease_until <= ${now})`
  const waiting = await withTables<CoreTables>(db)
    .selectFrom('discoveries')
    .select('id')
    .where('running', '=', 1)
    .where(free)
    .orderBy('turn_at')
    .orderBy('id')
    .limit(20)
    .execute()
  for (const { id } of waiting) {
    const claimed = await transaction(db, (db) =>
      withTables<CoreTables>(db)
        .updateTable('discoveries')
        .set({ lease_owner: node, lease_until: now + LEASE, turn_at: now })
        .where('id', '=', id)
        .where('running', '=', 1)
        .where(free)
        .returningAll()
        .executeTakeFirst(),
    )
    if (claimed) return claimed
  }
  return undefined
}

async function runBatch(it: Installation, reach: DiscoveryReach, row: Row): Promise<void> {
  const targets: Target[] = (JSON.parse(row.targets) as string[]).map(parseTarget)
  const places = together(placesFrom(targets, row.position, BATCH))
  const organization = await homeOf(it.db, row.organization_id)
  const looked = await lookAt(reach, places, organization)
  if (reach.stopped) return letGo(it, row)
  const read = await takeIn(it, { organizationId: row.organization_id, requester: actor }, looked)
  await transaction(it.db, (db) => store(db, { row, step: places.length, places: read, node: it.node, at: it.clock() }))
}

/** Whoever comes next goes on at once. */
async function letGo({ db, node }: Installation, { id }: Row): Promise<void> {
  await transaction(db, async (db) => {
    await withTables<CoreTables>(db)
      .updateTable('discoveries')
      .set({ lease_owner: null, lease_until: null })
      .where('id', '=', id)
      .where('lease_owner', '=', node)
      .execute()
  })
}

interface Batch {
  row: Row
  /** How far the run has come by it. */
  step: number
  places: readonly ReadPlace[]
  node: string
  at: Date
}

async function store(db: Database, batch: Batch): Promise<void> {
  const { row, step, places, node, at } = batch
  const count = (outcome: ReadPlace['outcome']) => places.filter((place) => place.outcome === outcome).length
  const fresh = freshAt(places)
  const stored = await withTables<CoreTables>(db)
    .updateTable('discoveries')
    .set((eb) => ({
      position: eb('position', '+', step),
      found: eb('found', '+', count('found')),
      new_certificates: eb(
        'new_certificates',
        '+',
        [...fresh.values()].reduce((sum, each) => sum + each, 0),
      ),
      unreachable: eb('unreachable', '+', count('unreachable')),
      refused: eb('refused', '+', count('refused')),
      unreadable: eb('unreadable', '+', count('unreadable')),
      lease_owner: null,
      lease_until: null,
      turn_at: at.getTime(),
    }))
    .where('id', '=', row.id)
    .where('run', '=', row.run)
    .where('running', '=', 1)
    .where('position', '=', row.position)
    .where('lease_owner', '=', node)
    .returningAll()
    .executeTakeFirst()
  // It was stopped, changed or removed meanwhile, or another node has gone on with it.
  if (!stored) return
  await storePlaces(db, batch, fresh)
  await markSightings(db, { organizationId: row.organization_id, requester: actor, at }, places)
  if (stored.position >= stored.total) await end(db, stored, at)
}

/** How many certificates of each place are new: one that is at many is new at the first of them. */
export function freshAt(places: readonly ReadPlace[]): Map<string, number> {
  const counted = new Set<number>()
  const fresh = new Map<string, number>()
  for (const { place, certificates } of places) {
    const news = certificates.filter(({ id, isNew }) => isNew && !counted.has(id))
    for (const { id } of news) counted.add(id)
    fresh.set(place, news.length)
  }
  return fresh
}

async function storePlaces(db: Database, { row, places, at }: Batch, fresh: Map<string, number>): Promise<void> {
  for (const { place, ofNetwork, outcome, detail = null, certificates } of places) {
    const said = {
      outcome,
      detail,
      certificates: certificates.length,
      new_certificates: fresh.get(place) ?? 0,
      run: row.run,
      looked_at: at.getTime(),
    }
    const tables = withTables<CoreTables>(db)
    if (ofNetwork && (outcome === 'unreachable' || outcome === 'refused'))
      await tables
        .updateTable('discovery_places')
        .set(said)
        .where('discovery_id', '=', row.id)
        .where('place', '=', place)
        .execute()
    else
      await tables
        .insertInto('discovery_places')
        .values({ discovery_id: row.id, place, ...said })
        .onConflict((conflict) => conflict.columns(['discovery_id', 'place']).doUpdateSet(said))
        .execute()
  }
}

async function end(db: Database, row: Row, at: Date): Promise<void> {
  const tables = withTables<CoreTables>(db)
  // What this run has not come by is no target any more.
  await tables.deleteFrom('discovery_places').where('discovery_id', '=', row.id).where('run', '<>', row.run).execute()
  await tables.updateTable('discoveries').set({ running: 0, ended_at: at.getTime() }).where('id', '=', row.id).execute()
  const { uuid, name, total, found, new_certificates, unreachable, refused, unreadable } = row
  await audit(db, actor, at, {
    action: 'discovery.ran',
    organizationId: row.organization_id,
    subject: { kind: 'discovery', id: row.id },
    details: { uuid, name, places: total, found, new: new_certificates, unreachable, refused, unreadable },
  })
}
