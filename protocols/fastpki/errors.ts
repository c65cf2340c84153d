import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Reply } from './operation.ts'

/** The contract's statuses: what was understood and cannot be is 400; 422 is for what does not fit its schema. */
const statuses = {
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
  unsupportedMediaType: 422,
  tooLarge: 413,
  rateLimited: 429,
  unavailable: 503,
  internal: 500,
} as const satisfies Record<FailureCode, number>

/** One thing that does not fit the schema of a call. */
export interface Misfit {
  type: string
  loc: (string | number)[]
  msg: string
  input: unknown
}

/** 422 with all that does not fit. */
export class Unprocessable extends Error {
  readonly misfits: readonly Misfit[]

  constructor(misfits: readonly Misfit[]) {
    super(misfits.map(({ msg }) => msg).join('; '))
    this.name = 'Unprocessable'
    this.misfits = misfits
  }
}

/** Whatever was thrown, as the contract says it. */
export function asReply(error: unknown): Reply & { status: number } {
  if (error instanceof Unprocessable) return { status: 422, body: { detail: error.misfits } }
  const failure = asFailure(error)
  if (!failure || failure.code === 'internal') return { status: 500, body: { detail: 'Internal Server Error' } }
  return {
    status: statuses[failure.code],
    body: { detail: detailOf(failure) },
    headers: headersFor(failure),
  }
}

function detailOf({ code, detail, problems = [] }: Failure): string {
  if (code === 'alreadyRevoked') return 'Certificate is already revoked'
  const several = problems.length > 1 ? `: ${problems.map((one) => one.detail).join('; ')}` : ''
  return oneLine(`${detail}${several}`)
}

function headersFor({ code, retryAfter }: Failure): Record<string, string> {
  if (code === 'unauthenticated') return { 'WWW-Authenticate': 'Bearer' }
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

/** Runs it; a conflict is what this operation of the contract answers 400 to. */
export async function taken<T>(detail: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Failure && error.code === 'conflict') throw new Failure('malformed', detail, { cause: error })
    throw error
  }
}

/** Texts of strangers come into it: names of a CSR, reasons of people. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 1000)
}
