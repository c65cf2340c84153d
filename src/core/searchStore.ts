import { sql } from 'kysely'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import type { SearchDocument } from './searchDocument.ts'
import { type AllTables, type SearchKind, searchTable } from './searchTables.ts'
import { lines } from './searchText.ts'

/** The ids of these combinations, in turn; new ones are stored. Only within takeBatch's lock. */
export async function storeFacets(db: Database, kind: SearchKind, keys: string[]): Promise<number[]> {
  if (keys.length === 0) return []
  const tables = withTables<AllTables>(db)
  const wanted = [...new Set(keys)]
  const known = await tables
    .selectFrom('search_facets')
    .select(['id', 'key'])
    .where('kind', '=', kind)
    .where('key', 'in', wanted)
    .execute()
  const ids = new Map(known.map(({ id, key }) => [key, id]))
  for (const key of wanted) {
    if (ids.has(key)) continue
    const row = { kind, key, total: 0 }
    const { id } = await tables.insertInto('search_facets').values(row).returning('id').executeTakeFirstOrThrow()
    ids.set(key, id)
  }
  return keys.map((key) => ids.get(key) as number)
}

/** As storeFacets. */
export async function storeRequesters(db: Database, given: SearchDocument['requester'][]): Promise<number[]> {
  if (given.length === 0) return []
  const tables = withTables<AllTables>(db)
  const wanted = new Map(given.map((requester) => [keyOf(requester), requester]))
  const known = await tables
    .selectFrom('search_requesters')
    .select(['id', 'key'])
    .where('key', 'in', [...wanted.keys()])
    .execute()
  const ids = new Map(known.map(({ id, key }) => [key, id]))
  for (const [key, requester] of wanted) {
    if (ids.has(key)) continue
    const { id } = await tables
      .insertInto('search_requesters')
      .values({
        key,
        requester_key: requester.key,
        name: lines([requester.name]),
        people: JSON.stringify(requester.people),
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    ids.set(key, id)
  }
  return given.map((requester) => ids.get(keyOf(requester)) as number)
}

const keyOf = ({ key, name, people }: SearchDocument['requester']): string => JSON.stringify([key, name, people])

const texts = new Set(['subject', 'common_name', 'names'])

/** All at once, as one JSON text: neither database parses a statement of a thousand values. */
export async function storeRows(
  db: Database,
  kind: SearchKind,
  rows: Record<string, string | number | null>[],
): Promise<void> {
  const [first] = rows
  if (!first) return
  const columns = Object.keys(first)
  const json = JSON.stringify(rows.map((row) => columns.map((column) => row[column])))
  const list = sql.join(columns.map((column) => sql.ref(column)))
  const set = sql.join(columns.slice(1).map((column) => sql`${sql.ref(column)} = excluded.${sql.ref(column)}`))
  const values = columns.map((column, n) =>
    db.dialect === 'sqlite'
      ? sql`value->>${sql.lit(n)}`
      : texts.has(column)
        ? sql`value->>${sql.lit(n)}`
        : sql`(value->>${sql.lit(n)})::bigint`,
  )
  const source = db.dialect === 'sqlite' ? sql`json_each(${json})` : sql`json_array_elements(${json}::json)`
  await sql`insert into ${sql.table(searchTable[kind])} (${list}) select ${sql.join(values)} from ${source} where true
    on conflict (id) do update set ${set}`.execute(withTables<AllTables>(db))
}
