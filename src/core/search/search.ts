import { TookTooLong } from '../../db/apart.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import { byCounts } from './searchCount.ts'
import { byExpressions } from './searchExpression.ts'
import { admittedFacets } from './searchFacets.ts'
import { checkFilters, type Filter } from './searchFilter.ts'
import { followSearch } from './searchFollow.ts'
import { byConditions, type Ids, type Reach, type Task } from './searchPlan.ts'
import type { SearchKind } from './searchTables.ts'

export interface Search {
  /** All must hold. */
  where?: readonly Filter[]
  /** From 1. */
  page: number
  /** Rows of a page: 1 to 1000. */
  size: number
  /** Archived ones too. */
  archived?: boolean
}

export interface Found<Row> {
  /** The newest first. */
  rows: Row[]
  /** How many there are; with `atLeast` there may be more, which only narrower filters show. */
  total: number
  atLeast: boolean
  page: number
  size: number
}

export const usualReach: Reach = { count: 10_000, expressions: 10_000, computing: 2_000, within: 2_000 }

/** Batches of changes that a search works up itself, where nobody has yet. */
const STEPS = 50

/**
 * The ids of one page of what a requester may see, and the total of it. Throws Failure('malformed') for filters that cannot be, for
 * pages beyond what is counted, and when the filters leave too much to go through; 'forbidden'; 'unavailable' while changes are worked up.
 */
export async function searchIds(
  it: Installation,
  requester: Requester,
  kind: SearchKind,
  { search, reach }: { search: Search; reach: Reach },
): Promise<Ids> {
  const { where = [], page, size, archived = false } = search
  if (!Number.isSafeInteger(page) || page < 1 || page > 1e9) throw new Failure('malformed', 'pages are numbered from 1')
  if (!Number.isSafeInteger(size) || size < 1 || size > 1000)
    throw new Failure('malformed', 'a page has 1 to 1000 rows')
  const { db } = it
  const now = it.clock().getTime()
  const conditions = checkFilters(kind, where, now)
  if (!(await followSearch(db, STEPS))) {
    throw new Failure('unavailable', 'what lists are searched by is being made; try again in a while', {
      retryAfter: 10,
    })
  }
  const admitted = await admittedFacets(db, requester, { kind, conditions, archived, now })
  if (admitted.groups.length === 0) return { ids: [], total: 0, atLeast: false }
  const task = { db, kind, conditions, admitted, reach, now, offset: (page - 1) * size, size }
  try {
    return await carryOut(task)
  } catch (error) {
    if (!(error instanceof TookTooLong)) throw error
    throw new Failure('malformed', 'this search goes through too many rows: narrow the filters', { cause: error })
  }
}

async function carryOut(task: Task): Promise<Ids> {
  const { conditions, admitted } = task
  const onRows = conditions.filter(({ field }) => field.at !== 'facet')
  const exact = admitted.groups.every(({ time, requesters }) => time === 'any' && !requesters)
  if (onRows.length === 0 && exact) return byCounts(task)
  if (onRows.some(({ test }) => test === 'matches')) return byExpressions(task)
  return byConditions(task)
}
