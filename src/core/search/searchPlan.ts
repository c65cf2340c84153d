import { type RawBuilder, sql } from 'kysely'
import { inTime, readApart } from '../../db/apart.ts'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Admitted, FacetGroup } from './searchFacets.ts'
import type { Condition } from './searchFilter.ts'
import { all, any, byIndex, numbersIn, ofBlock, ofCondition, ofGroup } from './searchSql.ts'
import { type AllTables, BUCKET, type SearchKind, searchTable } from './searchTables.ts'
import { byRareTrigrams } from './searchTrigrams.ts'

/** How far a search goes. */
export interface Reach {
  /** Filtered rows are counted so far. */
  count: number
  /** Rows that regular expressions look at. */
  expressions: number
  /** Milliseconds of trying them, in all. */
  computing: number
  /** Milliseconds a query. */
  within: number
}

/** Of a search: the ids of its page, and how many rows there are. */
export interface Ids {
  ids: number[]
  total: number
  atLeast: boolean
}

export interface Task {
  db: Database
  kind: SearchKind
  conditions: Condition[]
  admitted: Admitted
  reach: Reach
  now: number
  /** Rows before the page, and in it. */
  offset: number
  size: number
}

/** A query that can be run. */
export function compilable<Row>(db: Database, query: RawBuilder<Row>) {
  return { compile: () => query.compile(withTables<AllTables>(db)) }
}

/** Counted so far as the reach goes. */
export async function byConditions(task: Task): Promise<Ids> {
  const { db, reach, offset, size } = task
  const { source, order } = await candidates(task)
  const found = sql`${source} order by ${order} limit ${sql.lit(reach.count + 1)}`
  const rows = await readApart<{ total: number; id: number | null }>(
    db,
    compilable(
      db,
      sql<{ total: number; id: number | null }>`with found as materialized (${found}),
        shown as (select id from found order by id desc limit ${sql.lit(size)} offset ${sql.lit(offset)})
        select (select count(*) from found) as total, shown.id
        from (select 1 as one) one left join shown on true order by shown.id desc`,
    ),
    reach.within,
  )
  const counted = rows[0]?.total ?? 0
  const ids = rows.flatMap(({ id }) => (id === null ? [] : [id]))
  return cut({ ids, total: counted, atLeast: false }, task)
}

/** What was found of it, no further than is counted. */
export function cut({ ids, total, atLeast }: Ids, { reach, offset }: Pick<Task, 'reach' | 'offset'>): Ids {
  if (total <= reach.count) return { ids, total, atLeast }
  if (offset >= reach.count)
    throw new Failure(
      'malformed',
      `only the first ${reach.count} rows of a filtered list have pages: narrow the filters`,
    )
  return { ids: ids.slice(0, reach.count - offset), total: reach.count, atLeast: true }
}

/** A query without its order, to which conditions can be added. */
export interface Candidates {
  source: RawBuilder<unknown>
  /** The newest first, as the source gives them without sorting. */
  order: RawBuilder<unknown>
}

/**
 * `select s.id from … where …`. Where an index leaves few enough rows these are looked at and no others; else the rows are gone through from
 * the newest on, of which then many fit, but for spans of ids whose times are all others.
 */
export async function candidates(task: Task, extra: RawBuilder<unknown> = sql``): Promise<Candidates> {
  const { db, kind, conditions } = task
  const table = sql.table(searchTable[kind])
  const way = await narrowest(task)
  const where = all([...residue(task), sql`true`])
  const order = sql`s.id desc`
  if (way && 'few' in way) {
    const driver = sql`with driver as materialized (select distinct id from (${way.few}) few)`
    return {
      source: sql`${driver} select s.id ${extra} from driver cross join ${table} s where s.id = driver.id and ${where}`,
      order,
    }
  }
  const sqlite = db.dialect === 'sqlite'
  const timely = inTime(db, sql.ref('s.id'))
  if (way) {
    const hint = sqlite ? sql`indexed by ${sql.ref(way.index)}` : sql``
    return { source: sql`select s.id ${extra} from ${table} s ${hint} where ${timely} and ${where}`, order }
  }
  const hint = sqlite ? sql`not indexed` : sql``
  const [first, ...more] = [...conditions.flatMap((condition) => ofBlock(kind, condition) ?? []), ...ofEnd(task)]
  if (!first) return { source: sql`select s.id ${extra} from ${table} s ${hint} where ${timely} and ${where}`, order }
  const too = more.map((block) => sql<boolean>`b.bucket in (select b.bucket from search_blocks b where ${block})`)
  const span = sql<boolean>`s.id >= b.bucket * ${sql.lit(BUCKET)} and s.id < (b.bucket + 1) * ${sql.lit(BUCKET)}`
  return {
    source: sql`select s.id ${extra} from search_blocks b cross join ${table} s ${hint}
      where ${all([first, ...too])} and ${span} and ${timely} and ${where}`,
    order: sql`b.bucket desc, s.id desc`,
  }
}

/** Of blocks, where all that is looked for has ended: the newest hold nothing of it. */
function ofEnd({ admitted: { groups }, now }: Task): RawBuilder<boolean>[] {
  if (groups.length === 0 || groups.some(({ time }) => time !== 'ended')) return []
  return [sql<boolean>`b.kind = 'certificate' and b.field = 'not_after' and b.least <= ${now}`]
}

/** The conditions of a search on its rows, but for regular expressions. */
export function residue({ db, conditions, admitted, now }: Task): RawBuilder<boolean>[] {
  const parts = conditions.flatMap((condition) => ofCondition(db, condition) ?? [])
  if (admitted.everything) return parts
  return [any(admitted.groups.map((group) => ofGroup(db, group, now))), ...parts]
}

/** Rows whose ids a query gives, or those that an index of the search table leaves over. */
interface Way {
  few: RawBuilder<unknown>
  index?: string
}

/** The way that leaves the fewest rows, if they are no more than are counted anyway. */
async function narrowest(task: Task): Promise<{ few: RawBuilder<unknown> } | { index: string } | undefined> {
  const { db, conditions, admitted, reach } = task
  const total = admitted.groups.reduce((sum, group) => sum + group.total, 0)
  const ways: Way[] = conditions.flatMap((condition) => wayOf(task, condition) ?? [])
  ways.push(...(await byRareTrigrams(task)).map((few) => ({ few })), ...byTime(task))
  if (total <= reach.count) ways.push({ few: unionOf(admitted.groups.map((group) => byFacets(task, group))) })
  else if (admitted.groups.every(({ requesters }) => requesters)) {
    ways.push({ few: unionOf(admitted.groups.map(({ requesters = [] }) => byRequesters(task, requesters))) })
  }
  if (ways.length === 0) return undefined
  const limit = sql.lit(reach.count + 1)
  const counts = ways.map(({ few }, n) => {
    return sql`(select count(*) from (select id from (${few}) given limit ${limit}) few) as ${sql.ref(`d${n}`)}`
  })
  const [row] = await readApart<Record<string, number>>(
    db,
    compilable(db, sql<Record<string, number>>`select ${sql.join(counts)}`),
    reach.within,
  )
  const sizes = ways.map((_, n) => row?.[`d${n}`] ?? 0)
  const least = Math.min(...sizes)
  const way = least > reach.count ? undefined : ways[sizes.indexOf(least)]
  return way?.index === undefined ? way : { index: way.index }
}

function wayOf({ db, kind }: Task, condition: Condition): Way | undefined {
  const few = byIndex(db, kind, condition)
  if (!few) return undefined
  const { field } = condition
  return field.at === 'column' ? { few, index: indexOf(kind, field.column) } : { few }
}

/** As migrations/table.ts names it. */
function indexOf(kind: SearchKind, column: string): string {
  return `${searchTable[kind]}_by_${column}_facet_id`
}

function unionOf(parts: RawBuilder<unknown>[]): RawBuilder<unknown> {
  return sql.join(parts, sql` union all `)
}

function byFacets({ db, kind }: Task, { facets }: FacetGroup): RawBuilder<unknown> {
  return sql`select s.id from ${sql.table(searchTable[kind])} s where ${numbersIn(db, sql.ref('s.facet_id'), facets)}`
}

function byRequesters({ db, kind }: Task, requesters: number[]): RawBuilder<unknown> {
  const one = numbersIn(db, sql.ref('s.requester_id'), requesters)
  return sql`select s.id from ${sql.table(searchTable[kind])} s where ${one}`
}

/** Where all rows have ended, or none has. */
function byTime({ kind, admitted: { groups }, now }: Task): Way[] {
  const table = sql.table(searchTable[kind])
  const index = indexOf(kind, 'not_after')
  if (groups.every(({ time }) => time === 'live'))
    return [{ few: sql`select s.id from ${table} s where s.not_after > ${now}`, index }]
  if (groups.every(({ time }) => time === 'ended'))
    return [{ few: sql`select s.id from ${table} s where s.not_after <= ${now}`, index }]
  return []
}
