/** Every way in which the core refuses. Each adapter maps all of them to its wire errors (`satisfies Record<FailureCode, …>`). */
export type FailureCode =
  | 'malformed'
  | 'unauthenticated'
  | 'forbidden'
  | 'notFound'
  | 'conflict'
  | 'badCsr'
  | 'badKey'
  | 'badAlgorithm'
  | 'rejectedIdentifier'
  | 'alreadyRevoked'
  | 'badReason'
  | 'unsupported'
  | 'unsupportedMediaType'
  | 'tooLarge'
  | 'rateLimited'
  | 'unavailable'
  | 'internal'

/** One of several things wrong with a request. `at` is a path or field name, `identifier` the name that it concerns. */
export interface Problem {
  at: string
  code: FailureCode
  detail: string
  identifier?: { type: string; value: string }
}

export interface FailureOptions {
  /** For the log only; never shown to a client. */
  cause?: unknown
  /** Seconds after which asking again makes sense. */
  retryAfter?: number
  problems?: Problem[]
}

/**
 * A refusal with a closed code. `detail` is for the client and says what to do; `cause` is for the log.
 * Whatever is thrown and is not a Failure is a bug and leaves as `internal` with its detail withheld.
 */
export class Failure extends Error {
  readonly code: FailureCode
  readonly detail: string
  readonly retryAfter: number | undefined
  readonly problems: Problem[] | undefined

  constructor(code: FailureCode, detail: string, options: FailureOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.detail = detail
    this.retryAfter = options.retryAfter
    this.problems = options.problems
  }
}
