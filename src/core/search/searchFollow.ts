import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Installation } from '../installation.ts'
import { nextBatch } from './searchBatch.ts'
import { listed, listOf, readOrders, readRevocations, type SearchDocument, type Texts } from './searchDocument.ts'
import { type Met, meet, metIn } from './searchNames.ts'
import { addCounts, bucketOf, type SearchRow, storeRows, storeTexts, widenBlocks } from './searchStore.ts'
import { type AllTables, type SearchKind, searchTable } from './searchTables.ts'
import { indexedText } from './searchText.ts'

/** Any number that no other program on the same server uses for a lock. */
const LOCK = 0x6c697374

const lastQueued = statement((tables: Kysely<AllTables>) =>
  tables.selectFrom('search_queue').select((eb) => eb.fn.max<number | null>('id').as('id')),
)

/**
 * Brings what lists are searched by up to what was committed before this call, at most `steps` batches of it, and none after `stop`. Returns whether it
 * got there.
 */
export async function followSearch(db: Database, steps: number, stop?: AbortSignal): Promise<boolean> {
  const { rows } = await lastQueued(db)
  const target = rows[0]?.id ?? null
  if (target === null) return true
  const known = metIn(db)
  for (let step = 0; step < steps && !stop?.aborted; step++) {
    const { done, here } = await transaction(db, (db) => takeBatch(db, target, known))
    // Only now are they committed.
    for (const [name, id] of here) known.set(name, id)
    if (done) return true
  }
  return false
}

/** Done when nothing up to the target is left. */
async function takeBatch(db: Database, target: number, known: Met): Promise<{ done: boolean; here: Met }> {
  const tables = withTables<AllTables>(db)
  // On SQLite the transaction itself is the lock.
  if (db.dialect === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(tables)
  const { batch, last } = await nextBatch(db, target)
  const here: Met = new Map()
  const met = { known, here }
  const refs = (of: (kind: SearchKind) => boolean) => [
    ...new Set(batch.filter(({ kind }) => of(kind)).map(({ ref }) => ref)),
  ]
  const orders = refs((kind) => kind !== 'revoke')
  if (orders.length > 0) {
    const { certificate, sign } = await readOrders(db, orders)
    const made = await index(db, 'certificate', { ids: orders, documents: certificate, met })
    await index(db, 'sign', { ids: orders, documents: sign, met, covered: made })
  }
  const revocations = refs((kind) => kind === 'revoke')
  if (revocations.length > 0)
    await index(db, 'revoke', { ids: revocations, documents: await readRevocations(db, revocations), met })
  // By number: one with a smaller number may be committed only now.
  const done = listOf(
    db,
    batch.map(({ id }) => id),
  )
  if (batch.length > 0) await sql`delete from search_queue where id in ${listed[db.dialect](done)}`.execute(tables)
  return { done: last, here }
}

interface Known extends Texts {
  id: number
  facet_id: number
}

interface Indexing {
  ids: number[]
  documents: SearchDocument[]
  met: { known: Met; here: Met }
  /** What is in another text index under the same numbers. */
  covered?: ReadonlyMap<number, Texts>
}

/** Brings the rows with these ids up to what the documents say, and returns their texts. */
async function index(
  db: Database,
  kind: SearchKind,
  { ids, documents, met, covered }: Indexing,
): Promise<ReadonlyMap<number, Texts>> {
  const list = listOf(db, ids)
  const stored = await sql<Known>`select id, facet_id, subject, common_name, names from ${sql.table(searchTable[kind])}
    where id in ${listed[db.dialect](list)}`.execute(withTables<AllTables>(db))
  const before = new Map(stored.rows.map((row) => [row.id, row]))
  const rows: SearchRow[] = []
  for (const document of documents) {
    const [facet, requester] = await meet(db, kind, document, met)
    rows.push({ id: document.id, facet, requester, texts: document.texts, numbers: document.numbers })
  }
  await storeRows(db, kind, rows)
  await widenBlocks(db, kind, rows)
  const texts = new Map(documents.map(({ id, texts }) => [id, texts]))
  const gone = [...before.keys()].filter((id) => !texts.has(id))
  await forget(db, kind, gone)
  if (db.dialect === 'sqlite') await changeTexts(db, kind, { texts, before, gone, covered })
  await addCounts(db, differences(rows, before))
  return texts
}

async function forget(db: Database, kind: SearchKind, gone: number[]): Promise<void> {
  if (gone.length === 0) return
  await sql`delete from ${sql.table(searchTable[kind])}
    where id in ${listed[db.dialect](listOf(db, gone))}`.execute(withTables<AllTables>(db))
}

interface TextChange {
  texts: ReadonlyMap<number, Texts>
  before: ReadonlyMap<number, Known>
  gone: number[]
  covered: ReadonlyMap<number, Texts> | undefined
}

/** SQLite alone: PostgreSQL indexes the rows themselves. */
async function changeTexts(
  db: Database,
  kind: SearchKind,
  { texts, before, gone, covered }: TextChange,
): Promise<void> {
  const changed: (number | string)[] = []
  const old = [...gone]
  for (const [id, own] of texts) {
    const other = covered?.get(id)
    if (other === own) continue
    const text = indexed(own)
    const known = before.get(id)
    if (known && indexed(known) === text) continue
    if (other && indexed(other) === text) continue
    if (known) old.push(id)
    changed.push(id, text)
  }
  const table = sql.table(`${searchTable[kind]}_text`)
  for (const id of old) await sql`delete from ${table} where rowid = ${id}`.execute(withTables<AllTables>(db))
  await storeTexts(db, kind, changed)
}

function indexed({ subject, common_name, names }: Texts): string {
  return indexedText([subject, common_name, names])
}

/** What the counters have to add. */
function differences(
  rows: readonly SearchRow[],
  before: ReadonlyMap<number, Known>,
): { facet: number; bucket: number; n: number }[] {
  const changes = new Map<string, { facet: number; bucket: number; n: number }>()
  const add = (facet: number, id: number, n: number) => {
    const bucket = bucketOf(id)
    const key = `${facet} ${bucket}`
    changes.set(key, { facet, bucket, n: (changes.get(key)?.n ?? 0) + n })
  }
  const now = new Map(rows.map(({ id, facet }) => [id, facet]))
  for (const { id, facet_id } of before.values()) if (now.get(id) !== facet_id) add(facet_id, id, -1)
  for (const [id, facet] of now) if (before.get(id)?.facet_id !== facet) add(facet, id, 1)
  return [...changes.values()].filter(({ n }) => n !== 0)
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
