import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { PkiError } from '../../src/pki/error.ts'

/** RFC 8894 section 3.2.1.4, with the values of the attribute. */
export const FAIL_INFO = {
  badAlg: '0',
  badMessageCheck: '1',
  badRequest: '2',
  badTime: '3',
  badCertId: '4',
} as const

export type FailInfo = keyof typeof FAIL_INFO

/** What is answered by a CertRep FAILURE. `detail` becomes failInfoText. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly failInfo: FailInfo
  readonly detail: string

  constructor(failInfo: FailInfo, detail: string, options?: ErrorOptions) {
    super(`${failInfo}: ${detail}`, options)
    this.failInfo = failInfo
    this.detail = detail
  }
}

/** What is no message to which a CertRep could be an answer: HTTP 400. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
}

const fromCore = {
  malformed: 'badRequest',
  unauthenticated: 'badRequest',
  forbidden: 'badRequest',
  notFound: 'badCertId',
  conflict: 'badRequest',
  badCsr: 'badRequest',
  badKey: 'badRequest',
  badAlgorithm: 'badAlg',
  rejectedIdentifier: 'badRequest',
  alreadyRevoked: 'badRequest',
  badReason: 'badRequest',
  unsupported: 'badRequest',
  unsupportedMediaType: 'badRequest',
  tooLarge: 'badRequest',
  rateLimited: 'badRequest',
  unavailable: 'badRequest',
  internal: 'badRequest',
} satisfies Record<FailureCode, FailInfo>

const fromPki = {
  malformed: 'badMessageCheck',
  badSignature: 'badMessageCheck',
  unsupported: 'badAlg',
} satisfies Record<PkiError['kind'], FailInfo>

/** Whatever was thrown, as this protocol says it; undefined for what nobody foresaw. */
export function asRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (error instanceof PkiError) return new Refusal(fromPki[error.kind], error.message, { cause: error })
  if (!(error instanceof Failure) || error.code === 'internal') return undefined
  return new Refusal(fromCore[error.code], error.detail, { cause: error })
}
