import { sql } from 'kysely'
import { inTime, readApart } from '../../db/apart.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import { usualReach } from '../search/search.ts'
import { admittedFacets } from '../search/searchFacets.ts'
import { checkFilters } from '../search/searchFilter.ts'
import { followSearch } from '../search/searchFollow.ts'
import { compilable, residue } from '../search/searchPlan.ts'
import { all } from '../search/searchSql.ts'

const DAY = 86_400_000
const MOST = usualReach.count

/** A number, or with `atLeast` one below which it does not lie. */
export interface Counted {
  count: number
  atLeast: boolean
}

/** Certificates that end within so many days, each with those before. */
export type Expiring = Record<30 | 60 | 90, Counted>

/**
 * How many of the certificates that a requester may see, and that are neither revoked, on hold nor archived, end soon: the first ten thousand, in the order in which they
 * end, by the index of that. Undefined while what lists are searched by is being made. Throws Failure('forbidden'), TookTooLong.
 */
export async function expiring(it: Installation, requester: Requester): Promise<Expiring | undefined> {
  const { db } = it
  const now = it.clock().getTime()
  // A page that is looked at all day: what lags further behind it leaves to upkeep.
  if (!(await followSearch(db, 5))) return undefined
  const conditions = checkFilters('certificate', [{ field: 'status', condition: 'equals', value: 'issued' }], now)
  const admitted = await admittedFacets(db, requester, { kind: 'certificate', conditions, archived: false, now })
  if (admitted.groups.length === 0) return expiringOf([0, 0, 0])
  const task = { db, kind: 'certificate' as const, conditions, admitted, reach: usualReach, now, offset: 0, size: MOST }
  const [least, most] = [sql<boolean>`s.not_after > ${now}`, sql<boolean>`s.not_after <= ${now + 90 * DAY}`]
  const where = all([least, most, inTime(db, sql.ref('s.id')), ...residue(task)])
  const [month, two] = [now + 30 * DAY, now + 60 * DAY]
  // SQLite would go by the facets, through all that they have.
  const hint = db.dialect === 'sqlite' ? sql`indexed by search_certificates_by_not_after_facet_id` : sql``
  // Counted there: ten thousand numbers would be much to hand over.
  const query = sql<Row>`with ends as materialized
      (select s.not_after from search_certificates s ${hint} where ${where} order by s.not_after limit ${sql.lit(MOST)})
    select count(case when not_after <= ${month} then 1 end) as month, count(case when not_after <= ${two} then 1 end) as two,
      count(*) as three from ends`
  const [row] = await readApart<Row>(db, compilable(db, query), usualReach.within)
  return expiringOf([row?.month ?? 0, row?.two ?? 0, row?.three ?? 0])
}

interface Row {
  month: number
  two: number
  three: number
}

function expiringOf([month, two, three]: [number, number, number]): Expiring {
  const counted = (count: number): Counted => ({ count: Number(count), atLeast: Number(count) === MOST })
  return { 30: counted(month), 60: counted(two), 90: counted(three) }
}
