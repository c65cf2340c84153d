import type { IncomingMessage } from 'node:http'
import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { PkiError } from '../../src/pki/error.ts'
import { isNameless } from './transfer.ts'

/** RFC 7030 sections 3.2.3 and 4.2.3: a status and a line of text, never JSON. */
const statuses = {
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  badCsr: 400,
  badKey: 400,
  badAlgorithm: 400,
  rejectedIdentifier: 403,
  alreadyRevoked: 409,
  badReason: 400,
  unsupported: 501,
  unsupportedMediaType: 415,
  tooLarge: 413,
  rateLimited: 429,
  unavailable: 503,
  internal: 500,
} satisfies Record<FailureCode, number>

/** Only Basic is named: some clients read the first of several, and no other. */
export const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="countersign"' }

/** What was thrown, as an answer; undefined for what nobody foresaw. */
export function asAnswer(error: unknown, incoming: IncomingMessage): HttpAnswer | undefined {
  const failure = asFailure(error)
  if (!failure || failure.code === 'internal') return undefined
  const answer = plain(statuses[failure.code], oneLine(failure.detail), headersFor(failure))
  const asksOnly = failure.code === 'unauthenticated' && incoming.headers.authorization === undefined
  return asksOnly && isNameless(incoming) ? { ...answer, body: '' } : answer
}

function headersFor({ code, retryAfter }: Failure): Record<string, string> {
  switch (code) {
    case 'unauthenticated':
      return CHALLENGE
    case 'tooLarge':
    case 'malformed':
    case 'unsupportedMediaType':
      // What is left of the body is not worth reading.
      return { Connection: 'close' }
    case 'unavailable':
    case 'rateLimited':
      return { 'Retry-After': String(retryAfter ?? 60) }
    default:
      return {}
  }
}

const fromPki = {
  malformed: 'badCsr',
  badSignature: 'badCsr',
  unsupported: 'badAlgorithm',
} satisfies Record<PkiError['kind'], FailureCode>

/** Whatever was thrown, as the core says it; undefined for what nobody foresaw. */
export function asFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error
  if (error instanceof PkiError) return new Failure(fromPki[error.kind], error.message, { cause: error })
  if (error instanceof DatabaseUnavailable)
    return new Failure('unavailable', error.told, {
      cause: error,
      retryAfter: 5,
    })
  return undefined
}

/** Texts of strangers come into it: names of a CSR, reasons of people. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 500)
}
