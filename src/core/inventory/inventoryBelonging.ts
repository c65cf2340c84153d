import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { AdminContext } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { RequestRef } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { type InventoryItem, manageItems, subjectOfItem, tellLists, writeRecord } from './inventoryItem.ts'

/** What is absent stays as it is. */
export interface Belonging {
  /** Uuid of a user of the organization; null: nobody. */
  owner?: string | null
  /** Uuids of all the groups that it is in, from then on. */
  groups?: readonly string[]
  /** Whether chains may end at an uploaded CA certificate. */
  trustedCa?: boolean
}

const MOST_GROUPS = 100

/** See Inventory.assign. */
export async function assign(
  { it, requester }: AdminContext,
  refs: readonly RequestRef[],
  belonging: Belonging,
): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    for (const item of await manageItems(db, requester, refs)) {
      const told = await assignOne(db, item, belonging)
      await tellLists(db, item)
      await audit(db, requester, at, {
        action: 'certificate.assigned',
        organizationId: item.organizationId,
        subject: subjectOfItem(item),
        details: told,
      })
    }
  })
}

/** In the caller's transaction. Throws Failure: notFound for a user or group that is not of the organization, malformed. Answers what changed. */
export async function assignOne(
  db: Database,
  item: Pick<InventoryItem, 'id' | 'organizationId' | 'foreign'>,
  { owner, groups, trustedCa }: Belonging,
): Promise<Record<string, unknown>> {
  const { id, organizationId } = item
  if (owner !== undefined) {
    const user = owner === null ? null : await ownerOf(db, organizationId, owner)
    await writeRecord(db, id, { owner_id: user?.id ?? null })
  }
  if (groups !== undefined) await replaceGroups(db, { id, organizationId, groups })
  if (trustedCa !== undefined) await trust(db, item, trustedCa)
  return {
    ...(owner === undefined ? {} : { owner }),
    ...(groups === undefined ? {} : { groups }),
    ...(trustedCa === undefined ? {} : { trustedCa }),
  }
}

async function ownerOf(db: Database, organizationId: number, uuid: string): Promise<{ id: number }> {
  const user = await withTables<CoreTables>(db)
    .selectFrom('users')
    .select('id')
    .where('uuid', '=', uuid)
    .where('organization_id', '=', organizationId)
    .where('enabled', '=', 1)
    .executeTakeFirst()
  if (!user) throw new Failure('notFound', `there is no user ${uuid}`)
  return user
}

async function replaceGroups(
  db: Database,
  { id, organizationId, groups }: { id: number; organizationId: number; groups: readonly string[] },
): Promise<void> {
  const uuids = [...new Set(groups)]
  if (uuids.length > MOST_GROUPS) throw new Failure('malformed', `a certificate is in at most ${MOST_GROUPS} groups`)
  const tables = withTables<CoreTables>(db)
  const rows =
    uuids.length === 0
      ? []
      : await tables
          .selectFrom('groups')
          .select(['id', 'uuid'])
          .where('uuid', 'in', uuids)
          .where('organization_id', '=', organizationId)
          .execute()
  const missing = uuids.find((uuid) => !rows.some((row) => row.uuid === uuid))
  if (missing !== undefined) throw new Failure('notFound', `there is no group ${missing}`)
  await tables.deleteFrom('certificate_groups').where('certificate_id', '=', id).execute()
  if (rows.length === 0) return
  await tables
    .insertInto('certificate_groups')
    .values(rows.map((row) => ({ certificate_id: id, group_id: row.id })))
    .execute()
}

/** Only what was uploaded: authorities of ours are trusted as they are, and other certificates vouch for nobody. */
async function trust(
  db: Database,
  { id, foreign }: Pick<InventoryItem, 'id' | 'foreign'>,
  trusted: boolean,
): Promise<void> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('inventory_records')
    .select('ca_subject')
    .where('id', '=', id)
    .executeTakeFirst()
  if (!foreign || !row?.ca_subject)
    throw new Failure('malformed', 'only a CA certificate that was uploaded can be trusted, or not')
  await writeRecord(db, id, { trusted_ca: trusted ? 1 : 0 })
}
