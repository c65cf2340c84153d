import type { Insertable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { actorOf, requireCapability } from '../adminActor.ts'
import type { AuditSubject } from '../audit/audit.ts'
import type { Certificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { RequestRef, SignStatus } from '../request/request.ts'
import { readerOf } from '../request/requestReader.ts'
import type { Requester } from '../requester.ts'
import type { AllTables } from '../search/searchTables.ts'
import type { CoreTables } from '../tables.ts'

/** One thing of the inventory: a certificate, or a request of which one may come. */
export interface InventoryItem {
  id: number
  uuid: string
  organizationId: number
  authorityId: number
  profileId: number
  status: SignStatus
  action: string
  renews?: number
  /** Absent: there is no certificate, or not yet. */
  source?: Certificate['source']
  /** It was issued by nobody of ours. */
  foreign: boolean
  archivedAt?: Date
}

/** Throws Failure('notFound') alike for none, for one that the requester may not read, and for one that was deleted. */
export async function findItem(db: Database, requester: Requester, ref: RequestRef): Promise<InventoryItem> {
  const [item] = await findItems(db, requester, [ref])
  if (!item) throw new Failure('notFound', 'there is no such certificate')
  return item
}

/** As findItem, for many; those that are not there, or not to be read, are left out. In no order. */
export async function findItems(
  db: Database,
  requester: Requester,
  refs: readonly RequestRef[],
): Promise<InventoryItem[]> {
  const [ids, uuids] = [refs.filter((ref) => typeof ref === 'number'), refs.filter((ref) => typeof ref === 'string')]
  const rows = (await itemRows(db, ids, uuids)).filter(({ deleted_at }) => deleted_at === null)
  if (rows.length === 0) return []
  const reader = await readerOf(db, requester)
  if (reader.sees === 'all') return rows.map(toItem)
  if (reader.sees === 'own')
    return rows.filter(({ requester_key }) => requester_key === reader.requesterKey).map(toItem)
  const here = rows.filter(({ organization_id }) => organization_id === reader.organizationId)
  const readable = here.length === 0 ? new Set<number>() : await reader.may('sign', here)
  return here.filter(({ id }) => readable.has(id)).map(toItem)
}

function itemRows(db: Database, ids: number[], uuids: string[]) {
  return withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .leftJoin('certificates', 'certificates.id', 'sign_requests.id')
    .leftJoin('inventory_records', 'inventory_records.id', 'sign_requests.id')
    .select(['sign_requests.id', 'sign_requests.uuid', 'sign_requests.organization_id', 'sign_requests.authority_id'])
    .select(['sign_requests.profile_id', 'sign_requests.status', 'sign_requests.action', 'sign_requests.renews_id'])
    .select(['sign_requests.requester', 'sign_requests.requester_key', 'certificates.source'])
    .select(['certificates.profile_id as issuing_profile', 'archived_at', 'deleted_at'])
    .where(({ or, eb }) =>
      or([
        ...(ids.length > 0 ? [eb('sign_requests.id', 'in', ids)] : []),
        ...(uuids.length > 0 ? [eb('sign_requests.uuid', 'in', uuids)] : []),
      ]),
    )
    .execute()
}

function toItem(row: Awaited<ReturnType<typeof itemRows>>[number]): InventoryItem {
  return {
    id: row.id,
    uuid: row.uuid,
    organizationId: row.organization_id,
    authorityId: row.authority_id,
    profileId: row.profile_id,
    status: row.status as SignStatus,
    action: row.action,
    foreign: row.source !== null && row.issuing_profile === null,
    ...(row.renews_id === null ? {} : { renews: row.renews_id }),
    ...(row.source === null ? {} : { source: row.source as Certificate['source'] }),
    ...(row.archived_at === null ? {} : { archivedAt: new Date(row.archived_at) }),
  }
}

/** An item that the requester may change. Throws Failure: notFound as findItem, forbidden for one that he may only read. */
export async function manageItem(db: Database, requester: Requester, ref: RequestRef): Promise<InventoryItem> {
  const item = await findItem(db, requester, ref)
  const { organizationId, authorityId, profileId } = item
  await requireCapability(db, await actorOf(db, requester), 'manage', { organizationId, authorityId, profileId })
  return item
}

/** At once in one transaction. */
const MOST = 1000

/** As manageItem, for many: all or none. Throws Failure('malformed') for more than 1000. */
export async function manageItems(
  db: Database,
  requester: Requester,
  refs: readonly RequestRef[],
): Promise<InventoryItem[]> {
  const asked = [...new Set(refs)]
  if (asked.length > MOST) throw new Failure('malformed', `at most ${MOST} certificates at once`)
  const items = await findItems(db, requester, asked)
  const known = new Set<RequestRef>(items.flatMap(({ id, uuid }) => [id, uuid]))
  const missing = asked.find((ref) => !known.has(ref))
  if (missing !== undefined) throw new Failure('notFound', `there is no certificate ${missing}`)
  const actor = await actorOf(db, requester)
  const scopes = new Map(items.map((item) => [`${item.organizationId}/${item.authorityId}/${item.profileId}`, item]))
  for (const { organizationId, authorityId, profileId } of scopes.values())
    await requireCapability(db, actor, 'manage', { organizationId, authorityId, profileId })
  return items
}

type RecordRow = Insertable<CoreTables['inventory_records']>
/** No member of it is undefined. */
type Change = Partial<Omit<RecordRow, 'id'>>

/** Writes down what is said about an item, and leaves the rest as it is. */
export async function writeRecord(db: Database, id: number, change: Change): Promise<void> {
  const row: RecordRow = {
    id,
    owner_id: null,
    attributes: '[]',
    metadata: '[]',
    archived_at: null,
    deleted_at: null,
    trusted_ca: 0,
    ca_subject: null,
    validation_status: 'not_checked',
    validation: null,
    validated_at: null,
  }
  Object.assign(row, change)
  await withTables<CoreTables>(db)
    .insertInto('inventory_records')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(change))
    .execute()
}

/** Lists are told that what they show of an item is another from now on: its owner, its groups, its place in the archive. */
export async function tellLists(db: Database, { id }: InventoryItem): Promise<void> {
  await withTables<AllTables>(db).insertInto('search_queue').values({ kind: 'sign', ref: id }).execute()
}

/** What audit rows about an item are about. */
export function subjectOfItem({ id, source }: InventoryItem): { kind: AuditSubject; id: number } {
  return { kind: source === undefined ? 'sign_request' : 'certificate', id }
}
