import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'

const copyRecord = statement((tables: Kysely<CoreTables>, id: number, from: number) =>
  tables
    .insertInto('inventory_records')
    .columns(['id', 'owner_id', 'attributes', 'metadata', 'trusted_ca', 'validation_status'])
    .expression(({ selectFrom, ref, cast, val }) =>
      selectFrom('inventory_records')
        .select([cast<number>(val(id), sql`bigint`).as('id'), ref('owner_id').as('owner_id')])
        .select(['attributes', 'metadata', sql<number>`0`.as('trusted_ca'), sql<string>`'not_checked'`.as('status')])
        .where('id', '=', from)
        .where('deleted_at', 'is', null),
    )
    .onConflict((conflict) => conflict.doNothing()),
)

const copyGroups = statement((tables: Kysely<CoreTables>, id: number, from: number) =>
  tables
    .insertInto('certificate_groups')
    .columns(['certificate_id', 'group_id'])
    .expression(({ selectFrom, cast, val }) =>
      selectFrom('certificate_groups')
        .select([cast<number>(val(id), sql`bigint`).as('certificate_id'), 'group_id'])
        .where('certificate_id', '=', from),
    )
    .onConflict((conflict) => conflict.doNothing()),
)

/**
 * What is kept about a certificate passes to the request that renews it, in the transaction that makes this: attributes, metadata, owner, groups; its places too,
 * where `replaceInLocations` says so.
 */
export async function inherit(
  db: Database,
  { id, renews, replaceInLocations, at }: { id: number; renews: number; replaceInLocations: boolean; at: Date },
): Promise<void> {
  await copyRecord(db, id, renews)
  await copyGroups(db, id, renews)
  if (replaceInLocations) await takePlaces(db, { id, replaces: renews, at })
}

/** A certificate to be takes the places of another when it is there. */
async function takePlaces(
  db: Database,
  { id, replaces, at }: { id: number; replaces: number; at: Date },
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const places = await tables
    .selectFrom('certificate_locations')
    .select(['location_id', 'entry'])
    .where('certificate_id', '=', replaces)
    .execute()
  if (places.length === 0) return
  await tables
    .insertInto('certificate_locations')
    .values(
      places.map((place) => ({
        ...place,
        certificate_id: id,
        replaces_id: replaces,
        status: 'waiting',
        last_error: null,
        created_at: at.getTime(),
        pushed_at: null,
      })),
    )
    .onConflict((conflict) => conflict.columns(['certificate_id', 'location_id']).doNothing())
    .execute()
}
