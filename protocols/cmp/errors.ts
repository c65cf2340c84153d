import type { IncomingMessage } from 'node:http'
import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { requestId } from '../../src/http/requestId.ts'
import type { CmpFailInfo, CmpStatusInfo } from '../../src/pki/cmpWriter.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Host } from '../../src/protocol.ts'

/** A refusal in CMP's own words: RFC 9483 section 3.6.4. */
export class CmpRefusal extends Error {
  override readonly name = 'CmpRefusal'
  readonly failInfo: CmpFailInfo
  /** About the message and not about what it asks for: always told by an error message. */
  readonly generic: boolean

  constructor(
    failInfo: CmpFailInfo,
    text: string,
    { generic = false, cause }: { generic?: boolean; cause?: unknown } = {},
  ) {
    super(text, { cause })
    this.failInfo = failInfo
    this.generic = generic
  }
}

const fromCore = {
  malformed: 'badDataFormat',
  unauthenticated: 'badMessageCheck',
  forbidden: 'notAuthorized',
  notFound: 'badCertId',
  conflict: 'badRequest',
  badCsr: 'badCertTemplate',
  badKey: 'badCertTemplate',
  badAlgorithm: 'badAlg',
  rejectedIdentifier: 'badCertTemplate',
  alreadyRevoked: 'certRevoked',
  badReason: 'badRequest',
  unsupported: 'badRequest',
  unsupportedMediaType: 'badDataFormat',
  tooLarge: 'badDataFormat',
  rateLimited: 'systemUnavail',
  unavailable: 'systemUnavail',
  internal: 'systemFailure',
} satisfies Record<FailureCode, CmpFailInfo>

const fromPki = {
  malformed: 'badDataFormat',
  badSignature: 'badMessageCheck',
  unsupported: 'badAlg',
} satisfies Record<PkiError['kind'], CmpFailInfo>

/**
 * Whatever was thrown, as a rejection. What nobody foresaw is logged, and its text withheld. Throws DatabaseUnavailable on: a rejection ends the
 * transaction for its client, and nobody knows yet what became of it; the same message, sent again, finds out.
 */
export function asRejection(error: unknown, at: { host: Host; incoming: IncomingMessage }): CmpStatusInfo {
  if (error instanceof DatabaseUnavailable) throw error
  const { failInfo, text } = refusalOf(error) ?? unforeseen(error, at)
  return { status: 'rejection', failInfo, text: oneLine(text) }
}

function refusalOf(error: unknown): { failInfo: CmpFailInfo; text: string } | undefined {
  if (error instanceof CmpRefusal) return { failInfo: error.failInfo, text: error.message }
  if (error instanceof PkiError) return { failInfo: fromPki[error.kind], text: error.message }
  if (!(error instanceof Failure) || error.code === 'internal') return undefined
  return { failInfo: fromCore[error.code], text: error.detail }
}

function unforeseen(error: unknown, { host, incoming }: { host: Host; incoming: IncomingMessage }) {
  const id = requestId(incoming)
  host.log.error({ err: error, request: id }, 'a request failed')
  return { failInfo: 'systemFailure', text: `an error of the server; its log has the details under ${id}` } as const
}

/** Texts of strangers come into it: names of a request, reasons of people. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 500)
}
