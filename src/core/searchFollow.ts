import { sql } from 'kysely'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { canonicalJson } from './canonicalJson.ts'
import type { Installation } from './installation.ts'
import { readDocuments, type SearchDocument } from './searchDocument.ts'
import { storeFacets, storeRequesters, storeRows } from './searchStore.ts'
import { type AllTables, BUCKET, type SearchKind, searchTable } from './searchTables.ts'
import { indexedText } from './searchText.ts'

/** So many changes a transaction: some ten milliseconds. */
const BATCH = 200
/** Any number that no other program on the same server uses for a lock. */
const LOCK = 0x6c697374

/** Brings what lists are searched by up to what was committed before this call, at most `steps` batches of it. Returns whether it got there. */
export async function followSearch(db: Database, steps: number): Promise<boolean> {
  const { target } = await withTables<AllTables>(db)
    .selectFrom('search_queue')
    .select((eb) => eb.fn.max<number | null>('id').as('target'))
    .executeTakeFirstOrThrow()
  if (target === null) return true
  for (let step = 0; step < steps; step++) {
    if (await transaction(db, (db) => takeBatch(db, target))) return true
  }
  return false
}

/** True when nothing up to the target is left. */
async function takeBatch(db: Database, target: number): Promise<boolean> {
  const tables = withTables<AllTables>(db)
  // On SQLite the transaction itself is the lock.
  if (db.dialect === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(tables)
  const batch = await tables
    .selectFrom('search_queue')
    .selectAll()
    .where('id', '<=', target)
    .orderBy('id')
    .limit(sql.lit(BATCH))
    .execute()
  for (const kind of Object.keys(searchTable) as SearchKind[]) {
    const ids = new Set(batch.filter((row) => row.kind === kind).map(({ ref }) => ref))
    if (ids.size > 0) await index(db, kind, [...ids])
  }
  // By number: one with a smaller number may be committed only now.
  const done = JSON.stringify(batch.map(({ id }) => id))
  if (batch.length > 0) await sql`delete from search_queue where id in (${listed(db, done)})`.execute(tables)
  return batch.length < BATCH
}

function listed(db: Database, json: string) {
  return db.dialect === 'sqlite'
    ? sql`select value from json_each(${json})`
    : sql`select value::bigint from json_array_elements_text(${json}::json)`
}

interface Known {
  id: number
  facet_id: number
  subject: string
  common_name: string
  names: string
}

async function index(db: Database, kind: SearchKind, ids: number[]): Promise<void> {
  const documents = await readDocuments[kind](db, ids)
  const known = await sql<Known>`select id, facet_id, subject, common_name, names from ${sql.table(searchTable[kind])}
    where id in (${listed(db, JSON.stringify(ids))})`.execute(withTables<AllTables>(db))
  const before = new Map(known.rows.map((row) => [row.id, row]))
  const facets = await storeFacets(
    db,
    kind,
    documents.map(({ facet }) => canonicalJson(facet)),
  )
  const requesters = await storeRequesters(
    db,
    documents.map(({ requester }) => requester),
  )
  const rows = documents.map(({ id, columns }, n) => ({
    id,
    facet_id: facets[n] as number,
    requester_id: requesters[n] as number,
    ...columns,
  }))
  await storeRows(db, kind, rows)
  await storeTexts(db, kind, documents, before)
  await count(db, rows, before)
}

/** SQLite alone: PostgreSQL indexes the rows themselves. */
async function storeTexts(
  db: Database,
  kind: SearchKind,
  documents: SearchDocument[],
  before: Map<number, Known>,
): Promise<void> {
  if (db.dialect === 'postgres') return
  const changed: [number, string][] = []
  const gone: number[] = []
  const covered = kind === 'sign' ? await certificateTexts(db, documents) : undefined
  for (const { id, columns } of documents) {
    const known = before.get(id)
    const text = textOf(columns)
    if (known && textOf({ ...known }) === text) continue
    if (covered?.get(id) === text) continue
    if (known) gone.push(id)
    changed.push([id, text])
  }
  const table = sql.table(`${searchTable[kind]}_text`)
  const tables = withTables<AllTables>(db)
  for (const id of gone) await sql`delete from ${table} where rowid = ${id}`.execute(tables)
  if (changed.length === 0) return
  await sql`insert into ${table} (rowid, text)
    select value->>0, value->>1 from json_each(${JSON.stringify(changed)})`.execute(tables)
}

/** Of orders that were carried out, most often within the second: what is indexed of their certificates already. */
async function certificateTexts(db: Database, documents: SearchDocument[]): Promise<Map<number, string>> {
  const signed = documents.filter(({ facet }) => facet.status === 'signed').map(({ id }) => id)
  const { rows } = await sql<Known>`select id, subject, common_name, names from search_certificates
    where id in (${listed(db, JSON.stringify(signed))})`.execute(withTables<AllTables>(db))
  return new Map(rows.map((row) => [row.id, textOf({ ...row })]))
}

function textOf(row: Record<string, unknown>): string {
  return indexedText([row.subject, row.common_name, row.names].map(String))
}

async function count(
  db: Database,
  rows: readonly { id: number; facet_id: number }[],
  before: Map<number, Known>,
): Promise<void> {
  const changes = new Map<string, number>()
  const totals = new Map<number, number>()
  const add = (facet: number, id: number, n: number) => {
    const key = `${facet} ${Math.floor(id / BUCKET)}`
    changes.set(key, (changes.get(key) ?? 0) + n)
    totals.set(facet, (totals.get(facet) ?? 0) + n)
  }
  for (const { id, facet_id: facet } of rows) {
    const known = before.get(id)?.facet_id
    if (known === facet) continue
    if (known !== undefined) add(known, id, -1)
    add(facet, id, 1)
  }
  const tables = withTables<AllTables>(db)
  for (const [key, n] of changes) {
    const [facet = 0, bucket = 0] = key.split(' ').map(Number)
    await tables
      .insertInto('search_counts')
      .values({ facet_id: facet, bucket, n })
      .onConflict((conflict) =>
        conflict.columns(['facet_id', 'bucket']).doUpdateSet({ n: sql`search_counts.n + ${n}` }),
      )
      .execute()
  }
  for (const [facet, n] of totals) {
    await tables
      .updateTable('search_facets')
      .set({ total: sql`total + ${n}` })
      .where('id', '=', facet)
      .execute()
  }
}

/** Says once a start when substrings are searched without an index. */
export async function warnOfMissingIndex({ db, log }: Installation): Promise<void> {
  if (db.dialect === 'sqlite') return
  const { rows } = await sql`select 1 from pg_indexes where indexname = 'search_certificates_text'`.execute(
    withTables<AllTables>(db),
  )
  if (rows.length > 0) return
  log.warn(
    'PostgreSQL has no pg_trgm here: lists that look for a part of a name go through all rows. docs/operate/lists.md says how to add it',
  )
}
