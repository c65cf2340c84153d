import { Failure } from '../../src/core/failure.ts'

/** An id in a path. Throws Failure('notFound') for what is none. */
export function numberIn(given: string, what: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(given)) return Number(given)
  throw new Failure('notFound', `there is no such ${what}`)
}
