import type { Page } from './listing.ts'

/** How far one call looks. A list by an index takes a batch a step; any other looks at a span of ids a step. */
export interface Pace {
  batch: number
  span: number
  steps: number
}

/** Some 20 000 rows at the most, in steps of milliseconds, however large the table and however rare what is looked for. */
export const usualPace: Pace = { batch: 500, span: 2000, steps: 10 }

export interface Step {
  /** Rows with smaller ids. */
  below: number
  /** And with ids not smaller. */
  from: number
  limit: number
}

export interface Scan<Row> {
  /** Rows of the step, ids falling. */
  fetch(step: Step): Promise<Row[]>
  /** Of the rows of a step those that belong into the list. */
  keep(rows: Row[]): Row[] | Promise<Row[]>
  /** Whether an index serves all conditions of `fetch`, so that a step need not be cut at a span of ids. */
  indexed: boolean
  limit: number
  pace: Pace
}

/**
 * One page of rows, the largest id first, all below `below`. When the looking took too long the page is short or even empty and yet
 * has a next one.
 */
export async function scan<Row extends { id: number }>(below: number, work: Scan<Row>): Promise<Page<Row>> {
  const { pace, limit } = work
  const found: Row[] = []
  let upper = below
  for (let step = 0; step < pace.steps && upper > 1; step++) {
    const from = work.indexed ? 0 : Math.max(0, upper - pace.span)
    const rows = await work.fetch({ below: upper, from, limit: pace.batch })
    found.push(...(await work.keep(rows)))
    const last = rows.at(-1)
    upper = rows.length === pace.batch && last ? last.id : from
    if (found.length > limit) break
  }
  const page = found.slice(0, limit)
  const last = page.at(-1)
  if (found.length > limit && last) return { rows: page, next: last.id }
  return upper > 1 ? { rows: page, next: upper } : { rows: page }
}

/** How many rows a page has: what was asked, between 1 and 200; 50 when nothing was. */
export function pageLimit(asked: number | undefined): number {
  return Number.isInteger(asked) ? Math.min(200, Math.max(1, asked ?? 50)) : 50
}
