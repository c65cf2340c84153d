import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'

/** The contract's largest page, and here also the usual one. */
const LARGEST = 100

/** What makes no sense as a size is the usual one; as a number it is a page that is not there. */
export const pageFields = {
  page: z
    .string()
    .default('1')
    .transform((given) => (/^[1-9]\d{0,8}$/.test(given) ? Number(given) : 0)),
  page_size: z
    .string()
    .default('')
    .transform((given) => (/^[1-9]\d{0,8}$/.test(given) ? Math.min(Number(given), LARGEST) : LARGEST)),
}

export interface PageAsked {
  page: number
  page_size: number
}

/** Before anything is looked for. Throws Failure('notFound') for what is no number of a page. */
export function requireNumber({ page }: PageAsked): void {
  if (page < 1) throw new Failure('notFound', 'Invalid page.')
}

/** Throws Failure('notFound') for a page beyond the last; the first is always there. */
export function requirePage(asked: PageAsked, total: number): void {
  requireNumber(asked)
  if (asked.page > 1 && (asked.page - 1) * asked.page_size >= total) throw new Failure('notFound', 'Invalid page.')
}

/**
 * One page as the contract has it: `next` is the number of the next page, 0 for none; `previous`, which builds of the
 * client read as a number or as text, is left out.
 */
export function pageOf({ page, page_size }: PageAsked, total: number, results: readonly unknown[]) {
  const last = Math.max(1, Math.ceil(total / page_size))
  return { count: total, current: page, next: page < last ? page + 1 : 0, last, results }
}

/** A page of what is all there. */
export function slice<Row>({ page, page_size }: PageAsked, rows: readonly Row[]): readonly Row[] {
  return rows.slice((page - 1) * page_size, page * page_size)
}
