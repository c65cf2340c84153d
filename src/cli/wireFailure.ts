import { Failure, type FailureCode, type Problem } from '../core/failure.ts'

/** A Failure as it crosses the socket, and as --json prints it. */
export interface WireFailure {
  error: { code: FailureCode; detail: string; problems?: Problem[]; retryAfter?: number }
}

/** HTTP's word for each, for whoever looks at the socket with curl; the client reads the code in the body. */
export const httpStatus = {
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  badCsr: 400,
  badKey: 400,
  badAlgorithm: 400,
  rejectedIdentifier: 400,
  alreadyRevoked: 409,
  badReason: 400,
  unsupported: 400,
  unsupportedMediaType: 415,
  tooLarge: 413,
  rateLimited: 429,
  unavailable: 503,
  internal: 500,
} as const satisfies Record<FailureCode, number>

/** What the command ends with: docs/operate/cli.md. */
export const exitCode = {
  malformed: 2,
  unauthenticated: 4,
  forbidden: 4,
  notFound: 3,
  conflict: 5,
  badCsr: 2,
  badKey: 2,
  badAlgorithm: 2,
  rejectedIdentifier: 2,
  alreadyRevoked: 5,
  badReason: 2,
  unsupported: 2,
  unsupportedMediaType: 2,
  tooLarge: 2,
  rateLimited: 6,
  unavailable: 6,
  internal: 1,
} as const satisfies Record<FailureCode, number>

export function toWire({ code, detail, problems, retryAfter }: Failure): WireFailure {
  return {
    error: { code, detail, ...(problems ? { problems } : {}), ...(retryAfter === undefined ? {} : { retryAfter }) },
  }
}

/** Throws Failure('unavailable') when the answer is none of ours. */
export function fromWire(body: unknown): Failure {
  const error =
    typeof body === 'object' && body !== null && 'error' in body ? (body.error as WireFailure['error']) : undefined
  if (error === undefined || !(error.code in exitCode))
    return new Failure('unavailable', 'the server answered with something else than an operation')
  const { code, detail, problems, retryAfter } = error
  return new Failure(code, detail, {
    ...(problems ? { problems } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}
