import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { readApart, TookTooLong } from '../../db/apart.ts'
import { holdsFor } from './searchFacets.ts'
import { candidates, compilable, cut, type Ids, type Task } from './searchPlan.ts'
import { textOf } from './searchSql.ts'
import { unlined } from './searchText.ts'

/** Rows that are read at once. */
const BATCH = 500
/** Milliseconds for which the event loop is held; then it turns. */
const HELD = 4

/**
 * Regular expressions are RE2's, which neither database has: they are tried here, in linear time, on the newest rows that the other
 * conditions leave over. What lies beyond is not looked at, and `atLeast` says so.
 */
export async function byExpressions(task: Task): Promise<Ids> {
  const { db, conditions, reach, offset, size } = task
  const tried = conditions.filter(({ test, field }) => test === 'matches' && field.at !== 'facet')
  const texts = tried.map(({ field }, n) => sql`, ${textOf(db, field)} as ${sql.ref(`t${n}`)}`)
  const { source, order } = await candidates(task, sql.join(texts, sql` `))
  const found: number[] = []
  let looked = 0
  let below = Number.MAX_SAFE_INTEGER
  let more = true
  let computed = 0
  while (more && looked < reach.expressions) {
    const query = sql<Tried>`${source} and s.id < ${below} order by ${order} limit ${sql.lit(BATCH)}`
    const rows = await readApart<Tried>(db, compilable(db, query), reach.within)
    let turned = performance.now()
    for (const row of rows) {
      const held = performance.now() - turned
      if (computed + held >= reach.computing) throw new TookTooLong()
      if (held > HELD) {
        computed += held
        await setImmediate()
        turned = performance.now()
      }
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
