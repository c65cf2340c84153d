import { z } from 'zod'

/** Text that every database takes and every log shows: at most so many characters, none of them NUL or half of a pair. */
export function text(longest: number): z.ZodString {
  return z
    .string()
    .max(longest)
    .regex(/^[^\0\p{Cs}]*$/u, 'Text without NUL and lone surrogates')
}

/** A number, or its digits as text: the contract's own server takes both. */
export function integer(least: number, most: number) {
  return z.preprocess(
    (given) => (typeof given === 'string' && /^-?[0-9]{1,15}$/.test(given) ? Number(given) : given),
    z.int().min(least).max(most),
  )
}

/** Of a row of any kind. */
export const id = integer(1, 999_999_999_999_999)

/** Where a list begins, and how many it has. */
export const paging = { skip: integer(0, 100_000).default(0), limit: integer(0, 1000).default(100) }

/** RFC 3339. */
export const when = z.iso.datetime()
