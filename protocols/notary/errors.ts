import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { PkiError } from '../../src/pki/error.ts'

/**
 * The contract's statuses, and the words that its clients know, where it has any: the older generation reads `error`, the newer one `message`,
 * and what to do follows those.
 */
const answers = {
  malformed: [400],
  unauthenticated: [401, 'Unauthorized'],
  forbidden: [403, 'forbidden: insufficient permissions'],
  notFound: [404, 'Not Found'],
  conflict: [422],
  badCsr: [400, 'csr validation failed'],
  badKey: [400, 'csr validation failed'],
  badAlgorithm: [400, 'csr validation failed'],
  rejectedIdentifier: [400, 'csr validation failed'],
  alreadyRevoked: [422],
  badReason: [422],
  unsupported: [422],
  unsupportedMediaType: [415],
  tooLarge: [413, 'Request Entity Too Large'],
  rateLimited: [429, 'Too Many Requests'],
  unavailable: [503, 'Service Unavailable'],
  internal: [500, 'Internal Server Error'],
} as const satisfies Record<FailureCode, readonly [number] | readonly [number, string]>

export interface Refusal {
  status: number
  body: { error: string; message: string }
  headers: Record<string, string>
}

/** Whatever was thrown, as the contract says it. `conflict`: what this operation answers to a record in the wrong state. */
export function asRefusal(thrown: unknown, conflict: 400 | 422 = 422): Refusal {
  const failure = asFailure(thrown)
  const { code } = failure
  const [status, known]: readonly [number, string?] = answers[code]
  const detail = code === 'internal' ? 'the log of the server has the details' : sentence(failure)
  const body =
    known === undefined ? { error: detail, message: detail } : { error: known, message: `${lower(known)}: ${detail}` }
  return { status: code === 'conflict' ? conflict : status, body, headers: headersFor(failure) }
}

function sentence({ detail, problems = [] }: Failure): string {
  return [detail, ...problems.map((problem) => problem.detail)]
    .join('; ')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, 1000)
}

/** As the newer generation writes them. */
function lower(text: string): string {
  return text.toLowerCase()
}

function headersFor({ code, retryAfter }: Failure): Record<string, string> {
  if (code === 'tooLarge') return { Connection: 'close' }
  if (code === 'unavailable' || code === 'rateLimited') return { 'Retry-After': String(retryAfter ?? 60) }
  return {}
}

/** Whatever was thrown, as the core says it; `internal` for what nobody foresaw. */
function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown
  if (thrown instanceof PkiError)
    return new Failure('malformed', `invalid request: ${thrown.message}`, { cause: thrown })
  if (thrown instanceof DatabaseUnavailable)
    return new Failure('unavailable', thrown.told, { cause: thrown, retryAfter: 5 })
  return new Failure('internal', '', { cause: thrown })
}
