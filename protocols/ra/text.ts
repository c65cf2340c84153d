import { z } from 'zod'

/** Text that every database takes and every log shows: at most so many characters, none of them NUL or half of a pair. */
export function text(longest: number): z.ZodString {
  return z
    .string()
    .max(longest)
    .regex(/^[^\0\p{Cs}]*$/u, 'text without NUL and lone surrogates')
}
