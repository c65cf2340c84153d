import { Failure } from '../core/failure.ts'

const MOST = 5

/**
 * Why something failed, the nearest cause first, without what stands in its detail already. Only of what no other wording of the command mends: what
 * refuses an input says in its detail all that there is to say.
 */
export function reasonsOf(failure: Failure): string[] {
  if (failure.code !== 'unavailable' && failure.code !== 'internal') return []
  const told = [failure.detail]
  let cause: unknown = failure.cause
  for (let n = 0; n < MOST && cause instanceof Error; n++) {
    const reason = wordOf(cause)
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : reason
    if (!told.some((text) => text.includes(reason) || text.includes(code))) told.push(reason)
    cause = cause.cause
  }
  return told.slice(1)
}

/** Node says nothing of several addresses that were tried in vain, but what each answered. */
function wordOf(error: Error): string {
  if (error instanceof Failure) return error.detail
  const several = error instanceof AggregateError ? error.errors.map((one) => wordOf(one)).join('; ') : ''
  return error.message || several || error.name
}
