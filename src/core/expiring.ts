import { sql } from 'kysely'
import { inTime, readApart } from '../db/apart.ts'
import type { Installation } from './installation.ts'
import type { Requester } from './requester.ts'
import { usualReach } from './search.ts'
import { admittedFacets } from './searchFacets.ts'
import { checkFilters } from './searchFilter.ts'
import { followSearch } from './searchFollow.ts'
import { compilable, residue } from './searchPlan.ts'
import { all } from './searchSql.ts'

const DAY = 86_400_000
const periods = [30, 60, 90] as const
const MOST = usualReach.count

/** A number, or with `atLeast` one below which it does not lie. */
export interface Counted {
  count: number
  atLeast: boolean
}

/** Certificates that end within so many days, each with those before. */
export type Expiring = Record<(typeof periods)[number], Counted>

/**
 * How many of the certificates that a requester may see, and that are neither revoked, on hold nor archived, end soon: the first ten thousand, in the order in which they
 * end, by the index of that. Undefined while what lists are searched by is being made. Throws Failure('forbidden'), TookTooLong.
 */
export async function expiring(it: Installation, requester: Requester): Promise<Expiring | undefined> {
  const { db } = it
  const now = it.clock().getTime()
  if (!(await followSearch(db, 50))) return undefined
  const conditions = checkFilters('certificate', [{ field: 'status', condition: 'equals', value: 'issued' }], now)
  const admitted = await admittedFacets(db, requester, { kind: 'certificate', conditions, archived: false, now })
  const ends = admitted.groups.length === 0 ? [] : await endsOf(it, { conditions, admitted, now })
  const counted = (days: number): Counted => {
    const until = now + days * DAY
    const count = ends.filter((end) => end <= until).length
    return { count, atLeast: count === MOST }
  }
  return { 30: counted(30), 60: counted(60), 90: counted(90) }
}

type Admitted = Awaited<ReturnType<typeof admittedFacets>>

async function endsOf(
  { db }: Installation,
  { conditions, admitted, now }: { conditions: ReturnType<typeof checkFilters>; admitted: Admitted; now: number },
): Promise<number[]> {
  const kind = 'certificate' as const
  const task = { db, kind, conditions, admitted, reach: usualReach, now, offset: 0, size: MOST }
  const until = now + periods[2] * DAY
  const soon = [sql<boolean>`s.not_after > ${now}`, sql<boolean>`s.not_after <= ${until}`]
  const where = all([...soon, inTime(db, sql.ref('s.id')), ...residue(task)])
  const query = sql<{ not_after: number }>`select s.not_after from search_certificates s where ${where}
    order by s.not_after limit ${sql.lit(MOST)}`
  const rows = await readApart<{ not_after: number }>(db, compilable(db, query), usualReach.within)
  return rows.map(({ not_after }) => not_after)
}
