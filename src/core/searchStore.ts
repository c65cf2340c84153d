import { CompiledQuery, sql } from 'kysely'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { type AllTables, BUCKET, blockColumns, type SearchKind, searchTable } from './searchTables.ts'

export type SearchRow = { id: number; facet_id: number } & Record<string, string | number | null>

/** Rows of one statement. So few texts of statements are all kept prepared. */
const CHUNKS = [40, 8, 1]

/** Makes rows, or brings those that are there up to date. All have the same columns in the same order. */
export async function storeRows(db: Database, kind: SearchKind, rows: SearchRow[]): Promise<void> {
  const [first] = rows
  if (!first) return
  const columns = Object.keys(first)
  const set = columns.slice(1).map((column) => `${column} = excluded.${column}`)
  await insertAll(
    db,
    rows.map((row) => columns.map((column) => row[column] ?? null)),
    {
      into: `${searchTable[kind]} (${columns.join()})`,
      rest: `on conflict (id) do update set ${set.join()}`,
    },
  )
}

/** SQLite's text index: ids and texts that are not in it. */
export async function storeTexts(db: Database, kind: SearchKind, texts: [number, string][]): Promise<void> {
  await insertAll(db, texts, { into: `${searchTable[kind]}_text (rowid, text)`, rest: '' })
}

/** Widens the blocks of these rows. */
export async function widenBlocks(db: Database, kind: SearchKind, rows: SearchRow[]): Promise<void> {
  const blocks = new Map<string, [string, string, number, number, number]>()
  for (const row of rows) {
    const bucket = Math.floor(row.id / BUCKET)
    for (const field of blockColumns[kind]) {
      const value = row[field]
      if (typeof value !== 'number') continue
      const block = blocks.get(`${field} ${bucket}`)
      if (!block) blocks.set(`${field} ${bucket}`, [kind, field, bucket, value, value])
      else {
        if (value < block[3]) block[3] = value
        if (value > block[4]) block[4] = value
      }
    }
  }
  const [least, most] = db.dialect === 'sqlite' ? ['min', 'max'] : ['least', 'greatest']
  await insertAll(db, [...blocks.values()], {
    into: 'search_blocks (kind, field, bucket, least, most)',
    rest: `on conflict (kind, field, bucket) do update set least = ${least}(search_blocks.least, excluded.least),
      most = ${most}(search_blocks.most, excluded.most)`,
  })
}

/** Adds to the counters. */
export async function addCounts(db: Database, changes: { facet: number; bucket: number; n: number }[]): Promise<void> {
  await insertAll(
    db,
    changes.map(({ facet, bucket, n }) => [facet, bucket, n]),
    {
      into: 'search_counts (facet_id, bucket, n)',
      rest: 'on conflict (facet_id, bucket) do update set n = search_counts.n + excluded.n',
    },
  )
  const totals = new Map<number, number>()
  for (const { facet, n } of changes) totals.set(facet, (totals.get(facet) ?? 0) + n)
  const tables = withTables<AllTables>(db)
  for (const [facet, n] of totals) {
    if (n !== 0) await sql`update search_facets set total = total + ${n} where id = ${facet}`.execute(tables)
  }
}

type Value = string | number | null

/** Several rows a statement, whose text is not made anew: neither Kysely nor the database reads a thousand values at each batch. */
async function insertAll(db: Database, rows: Value[][], { into, rest }: { into: string; rest: string }): Promise<void> {
  const tables = withTables<AllTables>(db)
  for (let at = 0; at < rows.length; ) {
    const size = CHUNKS.find((size) => size <= rows.length - at) ?? 1
    const chunk = rows.slice(at, at + size)
    const width = chunk[0]?.length ?? 0
    await tables.executeQuery(
      CompiledQuery.raw(`insert into ${into} values ${places(size, width, db.dialect)} ${rest}`, chunk.flat()),
    )
    at += size
  }
}

function places(rows: number, width: number, dialect: Database['dialect']): string {
  const place = (n: number) => (dialect === 'sqlite' ? '?' : `$${n + 1}`)
  const row = (n: number) => `(${Array.from({ length: width }, (_, column) => place(n * width + column)).join()})`
  return Array.from({ length: rows }, (_, n) => row(n)).join()
}
