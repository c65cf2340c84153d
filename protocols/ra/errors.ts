import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Reply } from './operation.ts'

/** What a body looks like: a message, a list of sentences, the form of a missing permission, or nothing at all. */
type Shape = 'message' | 'list' | 'denied' | 'empty'

/** The contract's own statuses: a wrong method is 400, and whatever was understood and is not acceptable 422. */
const answers = {
  malformed: [400, 'message'],
  unauthenticated: [401, 'empty'],
  forbidden: [403, 'denied'],
  notFound: [404, 'message'],
  conflict: [409, 'message'],
  badCsr: [400, 'message'],
  badKey: [422, 'list'],
  badAlgorithm: [422, 'list'],
  rejectedIdentifier: [422, 'list'],
  alreadyRevoked: [422, 'list'],
  badReason: [422, 'list'],
  unsupported: [422, 'list'],
  unsupportedMediaType: [415, 'message'],
  tooLarge: [413, 'message'],
  rateLimited: [429, 'message'],
  unavailable: [503, 'message'],
  internal: [500, 'message'],
} as const satisfies Record<FailureCode, readonly [number, Shape]>

/** Several things wrong with a call: 422 with one sentence each. */
export class Unprocessable extends Error {
  readonly sentences: readonly string[]

  constructor(sentences: readonly string[]) {
    super(sentences.join('; '))
    this.name = 'Unprocessable'
    this.sentences = sentences
  }
}

/** Whatever was thrown, as the contract says it. `conflict`: what this operation answers to a record in the wrong state. */
export function asReply(error: unknown, conflict: 409 | 422 = 409): Reply & { status: number } {
  if (error instanceof Unprocessable) return { status: 422, body: error.sentences.map(oneLine) }
  const failure = asFailure(error)
  if (!failure || failure.code === 'internal') return { status: 500, body: { message: 'Internal server error.' } }
  const [status, shape]: readonly [number, Shape] =
    failure.code === 'conflict' && conflict === 422 ? [422, 'list'] : answers[failure.code]
  if (failure.problems !== undefined && status === 400) return { status: 422, body: sentencesOf(failure) }
  return { status, ...bodyOf(failure, status, shape), headers: headersFor(failure) }
}

function bodyOf(failure: Failure, status: number, shape: Shape): Pick<Reply, 'body'> {
  const message = oneLine(failure.detail)
  switch (shape) {
    case 'empty':
      return {}
    case 'list':
      return { body: sentencesOf(failure) }
    case 'denied':
      return { body: { statusCode: status, code: 'ACCESS_DENIED', message: `Access Denied. ${message}` } }
    case 'message':
      return { body: { message } }
  }
}

function sentencesOf({ detail, problems }: Failure): string[] {
  return (problems === undefined || problems.length === 0 ? [detail] : problems.map((one) => one.detail)).map(oneLine)
}

function headersFor({ code, retryAfter }: Failure): Record<string, string> {
  if (code === 'tooLarge') return { Connection: 'close' }
  if (code === 'unavailable' || code === 'rateLimited') return { 'Retry-After': String(retryAfter ?? 60) }
  return {}
}

/** Whatever was thrown, as the core says it; undefined for what nobody foresaw. */
export function asFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error
  if (error instanceof PkiError) return new Failure('malformed', error.message, { cause: error })
  if (error instanceof DatabaseUnavailable)
    return new Failure('unavailable', error.told, {
      cause: error,
      retryAfter: 5,
    })
  return undefined
}

/** Texts of strangers come into it: names of a CSR, reasons of people. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 500)
}
