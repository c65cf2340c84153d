import { CompiledQuery, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { numberColumns, type Texts } from './searchDocument.ts'
import { type AllTables, BUCKET, type SearchKind, searchTable } from './searchTables.ts'

export interface SearchRow {
  id: number
  facet: number
  requester: number
  texts: Texts
  /** numberColumns. */
  numbers: (number | null)[]
}

/** Rows of one statement. So few texts of statements are all kept prepared. */
const CHUNKS = [40, 8, 1]

/** Makes rows, or brings those that are there up to date. */
export async function storeRows(db: Database, kind: SearchKind, rows: SearchRow[]): Promise<void> {
  const values: Value[] = []
  for (const { id, facet, requester, texts, numbers } of rows)
    values.push(id, facet, requester, texts.subject, texts.common_name, texts.names, ...numbers)
  const columns = ['facet_id', 'requester_id', 'subject', 'common_name', 'names', ...numberColumns[kind]]
  const set = columns.map((column) => `${column} = excluded.${column}`)
  await insertAll(db, values, {
    into: searchTable[kind],
    columns: ['id', ...columns],
    rest: `on conflict (id) do update set ${set.join()}`,
  })
}

/** SQLite's text index: ids and texts that are not in it, one after the other. */
export async function storeTexts(db: Database, kind: SearchKind, texts: Value[]): Promise<void> {
  await insertAll(db, texts, { into: `${searchTable[kind]}_text`, columns: ['rowid', 'text'], rest: '' })
}

/** Widens the blocks of these rows. */
export async function widenBlocks(db: Database, kind: SearchKind, rows: SearchRow[]): Promise<void> {
  const values: Value[] = []
  const buckets = grouped(rows)
  for (const [bucket, of] of buckets) {
    numberColumns[kind].forEach((field, n) => {
      let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
      for (const { numbers } of of) {
        const value = numbers[n] ?? null
        if (value === null) continue
        if (value < least) least = value
        if (value > most) most = value
      }
      if (least <= most) values.push(kind, field, bucket, least, most)
    })
  }
  const [least, most] = db.dialect === 'sqlite' ? ['min', 'max'] : ['least', 'greatest']
  await insertAll(db, values, {
    into: 'search_blocks',
    columns: ['kind', 'field', 'bucket', 'least', 'most'],
    rest: `on conflict (kind, field, bucket) do update set least = ${least}(search_blocks.least, excluded.least),
      most = ${most}(search_blocks.most, excluded.most)`,
  })
}

function grouped(rows: SearchRow[]): Map<number, SearchRow[]> {
  const buckets = new Map<number, SearchRow[]>()
  for (const row of rows) {
    const here = buckets.get(bucketOf(row.id))
    if (here) here.push(row)
    else buckets.set(bucketOf(row.id), [row])
  }
  return buckets
}

export const bucketOf = (id: number): number => Math.floor(id / BUCKET)

/** Adds to the counters. */
export async function addCounts(db: Database, changes: { facet: number; bucket: number; n: number }[]): Promise<void> {
  const values = changes.flatMap(({ facet, bucket, n }) => [facet, bucket, n])
  await insertAll(db, values, {
    into: 'search_counts',
    columns: ['facet_id', 'bucket', 'n'],
    rest: 'on conflict (facet_id, bucket) do update set n = search_counts.n + excluded.n',
  })
  const totals = new Map<number, number>()
  for (const { facet, n } of changes) totals.set(facet, (totals.get(facet) ?? 0) + n)
  const tables = withTables<AllTables>(db)
  for (const [facet, n] of totals) {
    if (n !== 0) await sql`update search_facets set total = total + ${n} where id = ${facet}`.execute(tables)
  }
}

type Value = string | number | null

/** Several rows a statement, whose text is not made anew: neither Kysely nor the database reads a thousand values at each batch. */
async function insertAll(
  db: Database,
  values: Value[],
  { into, columns, rest }: { into: string; columns: string[]; rest: string },
): Promise<void> {
  const tables = withTables<AllTables>(db)
  const width = columns.length
  for (let at = 0; at < values.length; ) {
    const left = (values.length - at) / width
    const size = CHUNKS.find((size) => size <= left) ?? 1
    const name = `${db.dialect} ${into} ${size}`
    let text = made.get(name)
    if (text === undefined) {
      text = `insert into ${into} (${columns.join()}) values ${places(size, width, db.dialect)} ${rest}`
      made.set(name, text)
    }
    await tables.executeQuery(CompiledQuery.raw(text, values.slice(at, at + size * width)))
    at += size * width
  }
}

const made = new Map<string, string>()

function places(rows: number, width: number, dialect: Database['dialect']): string {
  const place = (n: number) => (dialect === 'sqlite' ? '?' : `$${n + 1}`)
  const row = (n: number) => `(${Array.from({ length: width }, (_, column) => place(n * width + column)).join()})`
  return Array.from({ length: rows }, (_, n) => row(n)).join()
}
