import type { z } from 'zod'
import { Failure, type Problem } from '../failure.ts'

/** What the schema makes of a value. Throws Failure('malformed') with a problem for each place that is wrong, its path after `at`. */
export function parsed<T extends z.ZodType>(schema: T, value: unknown, at: string): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue): Problem => {
    const path = [at, ...issue.path.map(String)].filter((part) => part !== '').join('.')
    return { at: path, code: 'malformed', detail: issue.message }
  })
  const [first] = problems
  throw new Failure('malformed', first?.at ? `${first.at}: ${first.detail}` : (first?.detail ?? 'not as it must be'), {
    problems,
  })
}
