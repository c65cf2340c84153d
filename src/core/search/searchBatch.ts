import { type Selectable, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { listed, listOf } from './searchDocument.ts'
import type { AllTables } from './searchTables.ts'

/** So many changes a transaction: some ten milliseconds, and fewer large steps than many small ones (docs/decisions/lists.md). */
const CHANGES = 600
/** Of what orders and certificates say of themselves; twice what so many ordinary ones have. */
const OCTETS = 2 ** 20

export type Change = Selectable<AllTables['search_queue']>

/** The next changes up to the target, in their order, as many as one transaction works up; whether they are the last. */
export async function nextBatch(db: Database, target: number): Promise<{ batch: Change[]; last: boolean }> {
  const found = await withTables<AllTables>(db)
    .selectFrom('search_queue')
    .selectAll()
    .where('id', '<=', target)
    .orderBy('id')
    .limit(sql.lit(CHANGES))
    .execute()
  const batch = await bounded(db, found)
  return { batch, last: found.length < CHANGES && batch.length === found.length }
}

/** The first of them, whose names are not too many together; one at least. */
async function bounded(db: Database, changes: Change[]): Promise<Change[]> {
  const octets = await octetsOf(db, changes)
  let total = 0
  const counted = new Set<string>()
  for (const [at, change] of changes.entries()) {
    const key = keyOf(change)
    if (counted.has(key)) continue
    counted.add(key)
    total += octets.get(key) ?? 0
    if (total > OCTETS && at > 0) return changes.slice(0, at)
  }
  return changes
}

const keyOf = ({ kind, ref }: Pick<Change, 'kind' | 'ref'>): string => `${kind === 'revoke' ? 'r' : ''}${ref}`

/** Both databases know how long a text is without reading it. */
async function octetsOf(db: Database, changes: readonly Change[]): Promise<Map<string, number>> {
  const octets = new Map<string, number>()
  const tables = withTables<AllTables>(db)
  const list = (of: (kind: Change['kind']) => boolean) => {
    const refs = [...new Set(changes.filter(({ kind }) => of(kind)).map(({ ref }) => ref))]
    return refs.length === 0 ? undefined : listed[db.dialect](listOf(db, refs))
  }
  const orders = list((kind) => kind !== 'revoke')
  if (orders) {
    const { rows } = await sql<{ id: number; octets: number }>`select a.id,
        octet_length(a.wanted) + coalesce(octet_length(c.identifiers), 0) as octets
      from sign_requests a left join certificates c on c.id = a.id where a.id in ${orders}`.execute(tables)
    for (const row of rows) octets.set(keyOf({ kind: 'sign', ref: row.id }), Number(row.octets))
  }
  const revocations = list((kind) => kind === 'revoke')
  if (revocations) {
    const { rows } = await sql<{ id: number; octets: number }>`select a.id,
        coalesce(octet_length(c.identifiers), 0) as octets
      from revoke_requests a left join certificates c on c.id = a.certificate_id where a.id in ${revocations}`.execute(
      tables,
    )
    for (const row of rows) octets.set(keyOf({ kind: 'revoke', ref: row.id }), Number(row.octets))
  }
  return octets
}
