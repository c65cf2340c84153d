import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { RequestRef } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { findItem, manageItem, subjectOfItem } from './inventoryItem.ts'
import { aboutLocation, entryName, findLocation, type Location, type LocationKind } from './location.ts'

/** waiting: there is no certificate yet; queued: it is on its way; failed: given up. */
export type EntryStatus = 'waiting' | 'queued' | 'pushed' | 'failed'

/** What is known of a certificate where it was put last. */
export interface Delivered {
  /** SHA-256 of the certificate, lower-case hex. */
  fingerprint: string
  /** In a folder: below the one that the configuration allows. */
  files?: string[]
  /** To a webhook: its server, and the `delivery` of the message that it took. */
  server?: string
  delivery?: string
}

/** A certificate in a location. */
export interface LocationEntry {
  location: Pick<Location, 'uuid' | 'name' | 'description' | 'kind' | 'enabled' | 'attributes' | 'deliveredAt'>
  /** Its name there. */
  entry: string
  status: EntryStatus
  lastError?: string
  pushedAt?: Date
  /** Absent: it was not put there yet, or before this was kept. */
  delivered?: Delivered
}

/** See Inventory.locationsOf. */
export async function entriesOf({ it, requester }: AdminContext, ref: RequestRef): Promise<LocationEntry[]> {
  const { id } = await findItem(it.db, requester, ref)
  return readEntries(it.db, id)
}

export async function readEntries(db: Database, id: number): Promise<LocationEntry[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificate_locations')
    .innerJoin('locations', 'locations.id', 'certificate_locations.location_id')
    .select(['uuid', 'name', 'kind', 'enabled', 'description', 'attributes', 'delivered_at'])
    .select(['entry', 'status', 'last_error', 'pushed_at', 'delivered'])
    .where('certificate_id', '=', id)
    .orderBy('name')
    .execute()
  return rows.map((row) => ({
    location: { ...aboutLocation(row), kind: row.kind as LocationKind, enabled: row.enabled === 1 },
    entry: row.entry,
    status: row.status as EntryStatus,
    ...(row.last_error === null ? {} : { lastError: row.last_error }),
    ...arrivalOf(row),
  }))
}

export function arrivalOf(row: {
  pushed_at: number | null
  delivered: string | null
}): Pick<LocationEntry, 'pushedAt' | 'delivered'> {
  return {
    ...(row.pushed_at === null ? {} : { pushedAt: new Date(row.pushed_at) }),
    ...(row.delivered === null ? {} : { delivered: JSON.parse(row.delivered) }),
  }
}

/** See Inventory.associate. */
export async function associate(
  { it, requester }: AdminContext,
  ref: RequestRef,
  { location: uuid, entry }: { location: string; entry?: string },
): Promise<void> {
  if (entry !== undefined && !entryName.safeParse(entry).success)
    throw new Failure('malformed', 'the name of an entry is made of letters, digits, dots, dashes and underscores')
  if (entry !== undefined && /-chain$/i.test(entry))
    throw new Failure('malformed', 'the name of an entry does not end with -chain: so the chains of others are called')
  const at = it.clock()
  try {
    await transaction(it.db, async (db) => {
      const item = await manageItem(db, requester, ref)
      const location = await findLocation(db, await actorOf(db, requester), uuid)
      if (location.organization_id !== item.organizationId) throw new Failure('notFound', 'there is no such location')
      if (location.enabled !== 1) throw new Failure('conflict', `the location ${location.name} is switched off`)
      const name = entry ?? item.uuid
      await refuseTaken(db, { id: item.id, location, name })
      await withTables<CoreTables>(db)
        .insertInto('certificate_locations')
        .values({
          certificate_id: item.id,
          location_id: location.id,
          entry: name,
          replaces_id: null,
          status: 'waiting',
          last_error: null,
          created_at: at.getTime(),
          pushed_at: null,
        })
        .execute()
      await audit(db, requester, at, {
        action: 'certificate.located',
        organizationId: item.organizationId,
        subject: subjectOfItem(item),
        details: { location: location.uuid, entry: name },
      })
    })
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new Failure('conflict', 'the certificate is in this location already', { cause: error })
  }
}

interface Place {
  id: number
  location: { id: number; name: string; multiple: number }
  name: string
}

async function refuseTaken(db: Database, { id, location, name }: Place): Promise<void> {
  let query = withTables<CoreTables>(db)
    .selectFrom('certificate_locations')
    .select('entry')
    .where('location_id', '=', location.id)
    .where('certificate_id', '<>', id)
  if (location.multiple === 1) query = query.where('entry', '=', name)
  const other = await query.executeTakeFirst()
  if (!other) return
  throw new Failure(
    'conflict',
    location.multiple === 1
      ? `another certificate is in ${location.name} as ${name}`
      : `the location ${location.name} takes one certificate, and has one`,
  )
}

/** See Inventory.dissociate. */
export async function dissociate({ it, requester }: AdminContext, ref: RequestRef, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const item = await manageItem(db, requester, ref)
    const location = await findLocation(db, await actorOf(db, requester), uuid)
    const gone = await withTables<CoreTables>(db)
      .deleteFrom('certificate_locations')
      .where('certificate_id', '=', item.id)
      .where('location_id', '=', location.id)
      .returning('entry')
      .executeTakeFirst()
    if (!gone) throw new Failure('notFound', 'the certificate is not in this location')
    await audit(db, requester, at, {
      action: 'certificate.unlocated',
      organizationId: item.organizationId,
      subject: subjectOfItem(item),
      details: { location: location.uuid, entry: gone.entry },
    })
  })
}
