import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'

/** Error types of RFC 8555 section 6.7 that we send, with the status of each (docs/protocols/acme.md says which the RFC fixes). */
const statuses = {
  accountDoesNotExist: 400,
  alreadyReplaced: 409,
  alreadyRevoked: 400,
  badCSR: 400,
  badNonce: 400,
  badPublicKey: 400,
  badRevocationReason: 400,
  badSignatureAlgorithm: 400,
  caa: 403,
  compound: 400,
  connection: 400,
  dns: 400,
  externalAccountRequired: 403,
  incorrectResponse: 403,
  invalidContact: 400,
  invalidProfile: 400,
  malformed: 400,
  onionCAARequired: 403,
  orderNotReady: 403,
  rateLimited: 429,
  rejectedIdentifier: 403,
  serverInternal: 500,
  tls: 400,
  unauthorized: 403,
  unsupportedContact: 400,
  unsupportedIdentifier: 400,
  userActionRequired: 403,
} as const

export type AcmeErrorType = keyof typeof statuses

export interface AcmeIdentifier {
  type: string
  value: string
}

/** RFC 8555 section 6.7.1. Only a subproblem may name an identifier. */
export interface Subproblem {
  type: AcmeErrorType
  detail: string
  identifier?: AcmeIdentifier
}

export interface AcmeErrorOptions {
  /** Where the usual status of the type does not fit. */
  status?: number
  subproblems?: Subproblem[]
  /** With badSignatureAlgorithm: what would be taken. */
  algorithms?: readonly string[]
  /** A URL for people (section 7.3.3). */
  instance?: string
  /** Seconds. */
  retryAfter?: number
  headers?: Record<string, string>
  /** Further Link headers, complete. */
  links?: string[]
  cause?: unknown
}

/** What this protocol answers when it refuses. `detail` is for the client. */
export class AcmeError extends Error {
  override readonly name = 'AcmeError'
  readonly type: AcmeErrorType
  readonly status: number
  readonly detail: string
  readonly options: AcmeErrorOptions

  constructor(type: AcmeErrorType, detail: string, options: AcmeErrorOptions = {}) {
    super(`${type}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.type = type
    this.status = options.status ?? statuses[type]
    this.detail = detail
    this.options = options
  }
}

/** How each refusal of the core leaves. 409 is kept for key rollover and renewal, since clients take it for nothing else. */
const fromCore = {
  malformed: ['malformed'],
  unauthenticated: ['unauthorized'],
  forbidden: ['unauthorized'],
  notFound: ['malformed', 404],
  conflict: ['malformed'],
  badCsr: ['badCSR'],
  // The only keys that the core sees are those in certificate requests.
  badKey: ['badCSR'],
  badAlgorithm: ['badCSR'],
  rejectedIdentifier: ['rejectedIdentifier'],
  alreadyRevoked: ['alreadyRevoked'],
  badReason: ['badRevocationReason'],
  unsupported: ['malformed'],
  unsupportedMediaType: ['malformed', 415],
  tooLarge: ['malformed', 413],
  rateLimited: ['rateLimited'],
  unavailable: ['serverInternal', 503],
  internal: ['serverInternal'],
} satisfies Record<FailureCode, readonly [AcmeErrorType, number?]>

/** Seconds, where a 503 comes without any. */
const COME_BACK = 5
const WITHHELD = 'an error of the server; its log has the details'

/** Whatever was thrown, as this protocol says it. What nobody foresaw is serverInternal with its message withheld. */
export function asAcmeError(error: unknown): AcmeError {
  if (error instanceof AcmeError) return error
  if (error instanceof DatabaseUnavailable)
    return new AcmeError('serverInternal', error.told, {
      status: 503,
      retryAfter: COME_BACK,
      cause: error,
    })
  if (!(error instanceof Failure)) return new AcmeError('serverInternal', WITHHELD, { cause: error })
  const [type, status]: readonly [AcmeErrorType, number?] = fromCore[error.code]
  const retryAfter = error.retryAfter ?? (error.code === 'unavailable' ? COME_BACK : undefined)
  return new AcmeError(type, error.code === 'internal' ? WITHHELD : error.detail, {
    ...(status === undefined ? {} : { status }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(error.problems?.length ? { subproblems: error.problems.map(asSubproblem) } : {}),
    ...(error.code === 'tooLarge' ? { headers: { Connection: 'close' } } : {}),
    cause: error,
  })
}

function asSubproblem({ code, detail, identifier }: NonNullable<Failure['problems']>[number]): Subproblem {
  return { type: fromCore[code][0], detail, ...(identifier ? { identifier } : {}) }
}

/** A problem document (RFC 9457), as it also stands in the `error` of orders and challenges. */
export interface ProblemDocument {
  type: string
  detail: string
  status: number
  instance?: string
  algorithms?: readonly string[]
  subproblems?: { type: string; detail: string; identifier?: AcmeIdentifier }[]
}

export function problemOf({ type, detail, status, options }: AcmeError): ProblemDocument {
  const { instance, algorithms, subproblems } = options
  return {
    type: urn(type),
    detail,
    status,
    ...(instance === undefined ? {} : { instance }),
    ...(algorithms === undefined ? {} : { algorithms }),
    ...(subproblems === undefined
      ? {}
      : { subproblems: subproblems.map((problem) => ({ ...problem, type: urn(problem.type) })) }),
  }
}

function urn(type: AcmeErrorType): string {
  return `urn:ietf:params:acme:error:${type}`
}
