import { type RawBuilder, sql } from 'kysely'
import { readApart } from '../../db/apart.ts'
import { compilable, type Task } from './searchPlan.ts'
import { SHORTEST } from './searchSql.ts'
import { searchTable } from './searchTables.ts'

/** Of a long text so many are looked at, spread over it. */
const LOOKED_AT = 12
/** FTS5 goes through the whole list of each trigram it is given: more than these narrow nothing further. */
const USED = 3

/**
 * For SQLite: of each text that rows must hold, ids of the rows with its rarest trigrams, unless all of them are in too many rows. PostgreSQL
 * chooses by itself.
 */
export async function byRareTrigrams(task: Task): Promise<RawBuilder<unknown>[]> {
  const { db, conditions } = task
  if (db.dialect !== 'sqlite') return []
  const drivers: RawBuilder<unknown>[] = []
  for (const condition of conditions) {
    if (condition.negated || condition.field.at !== 'row' || !('texts' in condition)) continue
    const { texts } = condition
    if (texts.some((text) => [...text].length < SHORTEST)) continue
    const rare = await Promise.all(texts.map((text) => rarest(task, text)))
    if (rare.some((found) => found.length === 0)) continue
    drivers.push(matching(task, rare.map((found) => `(${found.join(' AND ')})`).join(' OR ')))
  }
  return drivers
}

function matching({ kind }: Task, question: string): RawBuilder<unknown> {
  const found = (table: string) =>
    sql`select rowid as id from ${sql.table(table)} where ${sql.table(table)} match ${question}`
  const own = found(`${searchTable[kind]}_text`)
  // Of an order that was carried out the certificate's text may stand for both (searchFollow.ts); their ids are the same.
  return kind === 'sign' ? sql`${own} union all ${found(`${searchTable.certificate}_text`)}` : own
}

/** Those of a text's trigrams that are in few enough rows, the rarest first. */
async function rarest(task: Task, text: string): Promise<string[]> {
  const { db, reach } = task
  const looked = spread(trigrams(text))
  const limit = sql.lit(reach.count + 1)
  const counts = looked.map((trigram, n) => {
    return sql`(select count(*) from (${matching(task, trigram)} limit ${limit}) few) as ${sql.ref(`n${n}`)}`
  })
  const query = sql<Record<string, number>>`select ${sql.join(counts)}`
  const [row] = await readApart<Record<string, number>>(db, compilable(db, query), reach.within)
  return looked
    .map((trigram, n) => ({ trigram, rows: row?.[`n${n}`] ?? 0 }))
    .filter(({ rows }) => rows <= reach.count)
    .sort((a, b) => a.rows - b.rows)
    .slice(0, USED)
    .map(({ trigram }) => trigram)
}

/** As FTS5 is asked for them. */
function trigrams(text: string): string[] {
  const characters = [...text]
  const all = characters.slice(SHORTEST - 1).map((_, n) => characters.slice(n, n + SHORTEST).join(''))
  return [...new Set(all)].map((three) => `"${three.replaceAll('"', '""')}"`)
}

function spread<T>(all: readonly T[]): T[] {
  if (all.length <= LOOKED_AT) return [...all]
  return Array.from({ length: LOOKED_AT }, (_, n) => all[Math.floor((n * all.length) / LOOKED_AT)] as T)
}
