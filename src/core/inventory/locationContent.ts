import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { RequestRef } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { findItems, manageItem, subjectOfItem } from './inventoryItem.ts'
import { findLocation } from './location.ts'
import { arrivalOf, type EntryStatus, type LocationEntry } from './locationEntry.ts'

/** A certificate in a location, as the location sees it. */
export interface LocatedCertificate extends Pick<LocationEntry, 'pushedAt' | 'delivered'> {
  /** Of its entry in the inventory. */
  id: number
  /** Its name there. */
  entry: string
  status: EntryStatus
  lastError?: string
}

const MOST = 1000

/** See Inventory.locations.content. */
export async function contentOf({ it, requester }: AdminContext, uuid: string): Promise<LocatedCertificate[]> {
  const location = await findLocation(it.db, await actorOf(it.db, requester), uuid)
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('certificate_locations')
    .select(['certificate_id', 'entry', 'status', 'last_error', 'pushed_at', 'delivered'])
    .where('location_id', '=', location.id)
    .orderBy('certificate_id', 'desc')
    .limit(MOST)
    .execute()
  const ids = rows.map((row) => row.certificate_id)
  const readable = new Set((await findItems(it.db, requester, ids)).map(({ id }) => id))
  return rows
    .filter((row) => readable.has(row.certificate_id))
    .map((row) => ({
      id: row.certificate_id,
      entry: row.entry,
      status: row.status as EntryStatus,
      ...(row.last_error === null ? {} : { lastError: row.last_error }),
      ...arrivalOf(row),
    }))
}

/** See Inventory.pushAgain. */
export async function pushAgain({ it, requester }: AdminContext, ref: RequestRef, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const item = await manageItem(db, requester, ref)
    const location = await findLocation(db, await actorOf(db, requester), uuid)
    if (location.enabled !== 1) throw new Failure('conflict', `the location ${location.name} is switched off`)
    const tables = withTables<CoreTables>(db)
    const row = await tables
      .selectFrom('certificate_locations')
      .select(['id', 'status'])
      .where('certificate_id', '=', item.id)
      .where('location_id', '=', location.id)
      .executeTakeFirst()
    if (!row) throw new Failure('notFound', 'the certificate is not in this location')
    // What waits or is on its way comes there by itself.
    if (row.status !== 'pushed' && row.status !== 'failed') return
    await tables
      .updateTable('certificate_locations')
      .set({ status: 'waiting', last_error: null })
      .where('id', '=', row.id)
      .execute()
    await audit(db, requester, at, {
      action: 'certificate.push_asked',
      organizationId: item.organizationId,
      subject: subjectOfItem(item),
      details: { location: location.uuid },
    })
  })
}
