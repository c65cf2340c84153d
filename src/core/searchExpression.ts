import { sql } from 'kysely'
import { readApart } from '../db/apart.ts'
import { holdsFor } from './searchFacets.ts'
import { candidates, compilable, cut, type Ids, type Task } from './searchPlan.ts'
import { textOf } from './searchSql.ts'
import { unlined } from './searchText.ts'

/** Between two batches the event loop turns. */
const BATCH = 100

/**
 * Regular expressions are RE2's, which neither database has: they are tried here, in linear time, on the newest rows that the other
 * conditions leave over. What lies beyond is not looked at, and `atLeast` says so.
 */
export async function byExpressions(task: Task): Promise<Ids> {
  const { db, conditions, reach, offset, size } = task
  const tried = conditions.filter(({ test, field }) => test === 'matches' && field.at !== 'facet')
  const texts = tried.map(({ field }, n) => sql`, ${textOf(db, field)} as ${sql.ref(`t${n}`)}`)
  const source = await candidates(task, sql.join(texts, sql` `))
  const found: number[] = []
  let looked = 0
  let below = Number.MAX_SAFE_INTEGER
  let more = true
  while (more && looked < reach.expressions) {
    const query = sql<Tried>`${source} and s.id < ${below} order by s.id desc limit ${sql.lit(BATCH)}`
    const rows = await readApart<Tried>(db, compilable(db, query), reach.within)
    for (const row of rows) {
      const fits = tried.every((condition, n) => {
        return holdsFor(condition, unlined(String(row[`t${n}`] ?? ''))) !== condition.negated
      })
      if (fits) found.push(row.id)
    }
    looked += rows.length
    below = rows.at(-1)?.id ?? 0
    more = rows.length === BATCH
  }
  return cut({ ids: found.slice(offset, offset + size), total: found.length, atLeast: more }, task)
}

type Tried = { id: number } & Record<string, unknown>
