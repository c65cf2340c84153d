import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { AdminContext } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { RequestRef } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { findItem, type InventoryItem, manageItems, subjectOfItem, tellLists, writeRecord } from './inventoryItem.ts'

/** See Inventory.archive. */
export async function archive(
  { it, requester }: AdminContext,
  refs: readonly RequestRef[],
  archived: boolean,
): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    for (const item of await manageItems(db, requester, refs)) {
      if ((item.archivedAt !== undefined) === archived) continue
      await writeRecord(db, item.id, { archived_at: archived ? at.getTime() : null })
      await tellLists(db, item)
      await audit(db, requester, at, {
        action: archived ? 'certificate.archived' : 'certificate.unarchived',
        organizationId: item.organizationId,
        subject: subjectOfItem(item),
      })
    }
  })
}

/** See Inventory.refuseArchived. */
export async function refuseArchived({ it, requester }: AdminContext, ref: RequestRef): Promise<void> {
  const { archivedAt } = await findItem(it.db, requester, ref)
  if (archivedAt) throw new Failure('conflict', 'this certificate is archived: bring it back from the archive first')
}

/** See Inventory.remove. */
export async function removeItems({ it, requester }: AdminContext, refs: readonly RequestRef[]): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    for (const item of await manageItems(db, requester, refs)) {
      refuseKept(item)
      await forget(db, item, at)
      await tellLists(db, item)
      await audit(db, requester, at, {
        action: 'sign_request.deleted',
        organizationId: item.organizationId,
        subject: { kind: 'sign_request', id: item.id },
        details: { uuid: item.uuid, certificate: item.source !== undefined },
      })
      if (item.source !== undefined)
        await audit(db, requester, at, {
          action: 'certificate.deleted',
          organizationId: item.organizationId,
          subject: { kind: 'certificate', id: item.id },
        })
    }
  })
}

/** What was issued here stays: its revocation must stay known, and the audit trail tells of it. */
function refuseKept({ uuid, source, foreign, status }: InventoryItem): void {
  if (foreign) return
  if (source !== undefined)
    throw new Failure(
      'conflict',
      `${uuid} was issued by an authority of this installation and is never deleted: revoke it, or archive it`,
    )
  if (status === 'draft' || status === 'requested' || status === 'signing')
    throw new Failure('conflict', `${uuid} is still open (${status}): cancel it first`)
}

/** The request stays as a record for the audit trail, and is shown nowhere; the certificate, and what was kept about it, goes. */
async function forget(db: Database, { id }: InventoryItem, at: Date): Promise<void> {
  const tables = withTables<CoreTables>(db)
  await tables.deleteFrom('certificates').where('id', '=', id).where('profile_id', 'is', null).execute()
  await tables.deleteFrom('certificate_groups').where('certificate_id', '=', id).execute()
  await tables.deleteFrom('certificate_locations').where('certificate_id', '=', id).execute()
  await tables.deleteFrom('certificate_sightings').where('certificate_id', '=', id).execute()
  await tables
    .deleteFrom('certificate_relations')
    .where(({ or, eb }) => or([eb('successor_id', '=', id), eb('predecessor_id', '=', id)]))
    .execute()
  await writeRecord(db, id, {
    deleted_at: at.getTime(),
    owner_id: null,
    attributes: '[]',
    metadata: '[]',
    trusted_ca: 0,
    ca_subject: null,
    validation: null,
  })
}
