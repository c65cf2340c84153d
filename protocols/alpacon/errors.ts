import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Reply } from './operation.ts'

/** Its status, and the field that is to blame where it is one of the body's. */
const answers: Record<FailureCode, readonly [status: number, field?: string]> = {
  malformed: [400],
  unauthenticated: [401],
  forbidden: [403],
  notFound: [404],
  conflict: [409],
  badCsr: [400, 'csr_text'],
  badKey: [400, 'csr_text'],
  badAlgorithm: [400, 'csr_text'],
  rejectedIdentifier: [400, 'domain_list'],
  alreadyRevoked: [400, 'certificate'],
  badReason: [400, 'reason'],
  unsupported: [400],
  unsupportedMediaType: [415],
  tooLarge: [413],
  rateLimited: [429],
  unavailable: [503],
  internal: [500],
}

/** What is wrong with fields of a body: 400 with sentences under the name of each. */
export class Invalid extends Error {
  readonly fields: Readonly<Record<string, readonly string[]>>

  constructor(fields: Readonly<Record<string, readonly string[]>>) {
    super(JSON.stringify(fields))
    this.name = 'Invalid'
    this.fields = fields
  }
}

/** Whatever was thrown, as the contract says it: `{"detail": …}` or `{field: […]}`. */
export function asReply(error: unknown): Reply & { status: number } {
  if (error instanceof Invalid) {
    const lines = Object.entries(error.fields).map(([field, sentences]) => [field, sentences.map(oneLine)])
    return { status: 400, body: Object.fromEntries(lines) }
  }
  const failure = asFailure(error)
  if (!failure || failure.code === 'internal') return { status: 500, body: { detail: 'Internal server error.' } }
  const [status, field] = answers[failure.code]
  const body = field === undefined ? { detail: oneLine(failure.detail) } : { [field]: sentencesOf(failure) }
  return { status, body, headers: headersFor(failure) }
}

function sentencesOf({ detail, problems = [] }: Failure): string[] {
  return (problems.length === 0 ? [detail] : problems.map((one) => one.detail)).map(oneLine)
}

function headersFor({ code, retryAfter }: Failure): Record<string, string> {
  if (code === 'unauthenticated') return { 'WWW-Authenticate': 'token' }
  if (code === 'tooLarge') return { Connection: 'close' }
  if (code === 'unavailable' || code === 'rateLimited') return { 'Retry-After': String(retryAfter ?? 60) }
  return {}
}

function asFailure(error: unknown): Failure | undefined {
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
