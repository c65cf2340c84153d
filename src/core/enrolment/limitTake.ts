import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Database, Dialect } from '../../db/open.ts'
import { statement } from '../../db/statement.ts'
import type { CoreTables } from '../tables.ts'
import type { Bucket } from './limit.ts'
import type { Rate } from './rate.ts'

/** PostgreSQL cannot tell what kind of number a parameter in a sum is. */
export function number(value: number): RawBuilder<number> {
  return sql<number>`cast(${value} as bigint)`
}

type Names = {
  profile_id: number
  name: string
  key: string
}

/** `now`: microseconds, `ms`: milliseconds. `arrival`: of a bucket that is new. */
type Numbers = {
  now: number
  ms: number
  cost: number
  spacing: number
  burst: number
  arrival: number
}

/** The smaller and the larger of two have other names on each database. */
function upsert(least: RawBuilder<unknown>, greatest: RawBuilder<unknown>) {
  return statement((tables: Kysely<CoreTables>, { profile_id, name, key }: Names, given: Numbers) => {
    const now = number(given.now)
    const own = sql`b.overridden_until > ${number(given.ms)}`
    const spacing = sql`case when ${own} then b.spacing else excluded.spacing end`
    const burst = sql`case when ${own} then b.burst else excluded.burst end`
    const end = sql`(${now} + (${spacing}) * (${burst}))`
    const arrival = sql`${least}(${greatest}(b.arrival, ${now}), ${end}) + ${number(given.cost)} * (${spacing})`
    const query = sql<{ arrival: number }>`
      insert into limit_buckets as b (profile_id, name, key, arrival, spacing, burst)
      values (${profile_id}, ${name}, ${key}, ${given.arrival}, ${given.spacing}, ${given.burst})
      on conflict (profile_id, name, key) do update
      set arrival = ${arrival}, spacing = ${spacing}, burst = ${burst}
      where ${arrival} <= ${end}
      returning arrival`
    return { compile: () => query.compile(tables) }
  })
}

const upserts = {
  sqlite: upsert(sql`min`, sql`max`),
  postgres: upsert(sql`least`, sql`greatest`),
} satisfies Record<Dialect, unknown>

/** The one statement that looks whether a take passes, at the bucket's own rate if that was overridden, and takes. */
export async function takeOnce(
  db: Database,
  { profileId, limit, key }: Bucket,
  { rate: { spacing, burst }, cost, at }: { rate: Rate; cost: number; at: Date },
): Promise<boolean> {
  const ms = at.getTime()
  const now = ms * 1_000
  const names = { profile_id: profileId, name: limit, key }
  const numbers = { now, ms, cost, spacing, burst, arrival: now + cost * spacing }
  return (await upserts[db.dialect](db, names, numbers)).rows.length > 0
}
