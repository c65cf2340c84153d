import { sql } from 'kysely'
import { readApart } from '../../db/apart.ts'
import { compilable, type Ids, type Task } from './searchPlan.ts'
import { all, numbersIn } from './searchSql.ts'
import { BUCKET, searchTable } from './searchTables.ts'

/** So many spans of ids a statement. */
const SPANS = 50

/** Conditions on facets alone: the counters know the total, and in which span of ids a page begins, however deep it lies. */
export async function byCounts(task: Task): Promise<Ids> {
  const { db, kind, admitted, reach, offset, size } = task
  const facets = admitted.groups.flatMap((group) => group.facets)
  const total = admitted.groups.reduce((sum, group) => sum + group.total, 0)
  if (offset >= total) return { ids: [], total, atLeast: false }
  if (total <= reach.count) {
    const few = sql<{ id: number }>`select s.id from ${sql.table(searchTable[kind])} s
      where ${numbersIn(db, sql.ref('s.facet_id'), facets)} order by s.id desc limit ${size} offset ${offset}`
    const rows = await readApart<{ id: number }>(db, compilable(db, few), reach.within)
    return { ids: rows.map(({ id }) => id), total, atLeast: false }
  }
  const counted = sql<Bucket>`select bucket, sum(n) as n from search_counts
    where ${numbersIn(db, sql.ref('facet_id'), facets)} group by bucket having sum(n) > 0 order by bucket desc`
  const buckets = await readApart<Bucket>(db, compilable(db, counted), reach.within)
  const { spans, before } = spansOf(buckets, offset, size)
  const ids: number[] = []
  for (let n = 0; n < spans.length; n += SPANS) {
    ids.push(...(await idsOf(task, facets, spans.slice(n, n + SPANS), before + size - ids.length)))
  }
  return { ids: ids.slice(before, before + size), total, atLeast: false }
}

interface Bucket {
  bucket: number
  n: number
}

interface Span {
  from: number
  below: number
}

/** The spans of ids, the highest first, that hold the page, and how many rows of them come before it. */
function spansOf(buckets: Bucket[], offset: number, size: number): { spans: Span[]; before: number } {
  const spans: Span[] = []
  let passed = 0
  let before = 0
  for (const { bucket, n } of buckets) {
    if (passed >= offset + size) break
    passed += n
    if (passed <= offset) continue
    if (spans.length === 0) before = offset - (passed - n)
    const span = { from: bucket * BUCKET, below: (bucket + 1) * BUCKET }
    const last = spans.at(-1)
    if (last?.from === span.below) last.from = span.from
    else spans.push(span)
  }
  return { spans, before }
}

async function idsOf(
  { db, kind, admitted, reach }: Task,
  facets: number[],
  spans: Span[],
  limit: number,
): Promise<number[]> {
  const table = sql.table(searchTable[kind])
  const plain = db.dialect === 'sqlite' ? sql`not indexed` : sql``
  const fitting = admitted.everything ? [] : [numbersIn(db, sql.ref('s.facet_id'), facets)]
  const parts = spans.map(({ from, below }) => {
    const where = all([sql`s.id >= ${from}`, sql`s.id < ${below}`, ...fitting])
    return sql`select id from (select s.id from ${table} s ${plain} where ${where} order by s.id desc limit ${limit}) part`
  })
  const query = sql<{ id: number }>`${sql.join(parts, sql` union all `)} order by id desc limit ${limit}`
  return (await readApart<{ id: number }>(db, compilable(db, query), reach.within)).map(({ id }) => id)
}
