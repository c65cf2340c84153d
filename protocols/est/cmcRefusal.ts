import type { IncomingMessage } from 'node:http'
import type { Failure, FailureCode } from '../../src/core/failure.ts'
import { requestId } from '../../src/http/requestId.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { CmcFailInfo, StatusInfo } from '../../src/pki/pkiResponse.ts'
import type { Host } from '../../src/protocol.ts'
import { asFailure, CHALLENGE, oneLine } from './errors.ts'

/** What a part of a request came to: its CMCStatusInfoV2, and what HTTP says if there is nothing better. */
export interface PartStatus extends StatusInfo {
  http?: { status: number; headers?: Record<string, string> }
}

/** A refusal in CMC's own words. `bodyParts`: what is wrong, where that is less than what was looked at. */
export class CmcRefusal extends Error {
  override readonly name = 'CmcRefusal'
  readonly failInfo: CmcFailInfo
  readonly bodyParts: readonly number[] | undefined
  /** Known, and not served here: the status says so in place of `failed` (RFC 10002 section 6.1.3). */
  readonly unserved: boolean

  constructor(
    failInfo: CmcFailInfo,
    text: string,
    { bodyParts, unserved = false, cause }: { bodyParts?: readonly number[]; unserved?: boolean; cause?: unknown } = {},
  ) {
    super(text, { cause })
    this.failInfo = failInfo
    this.bodyParts = bodyParts
    this.unserved = unserved
  }
}

/** RFC 10002 section 6.1.4: `badRequest` is what was not permitted or is not supported. */
const failInfos = {
  malformed: 'badRequest',
  unauthenticated: 'badIdentity',
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
  rateLimited: 'tryLater',
  unavailable: 'tryLater',
  internal: 'internalCAError',
} satisfies Record<FailureCode, CmcFailInfo>

/** What was thrown while these parts were looked at, as their status. What nobody foresaw is logged, and its text withheld. */
export function asStatus(
  error: unknown,
  bodyParts: readonly number[],
  at: { host: Host; incoming: IncomingMessage },
): PartStatus {
  if (error instanceof CmcRefusal) return refused(error, bodyParts)
  // The key's own signature, over a request; that of a message is told by whoever checks it.
  if (error instanceof PkiError && error.kind === 'badSignature')
    return { ...failed(bodyParts, 'popFailed', error.message), http: { status: 400 } }
  const failure = asFailure(error)
  if (failure && failure.code !== 'internal')
    return { ...failed(bodyParts, failInfos[failure.code], failure.detail), http: httpOf(failure) }
  const id = requestId(at.incoming)
  at.host.log.error({ err: error, request: id }, 'a request failed')
  const text = `an error of the server; its log has the details under ${id}`
  return { ...failed(bodyParts, 'internalCAError', text), http: { status: 503, headers: { 'Retry-After': '60' } } }
}

function refused(
  { failInfo, message, bodyParts: own, unserved }: CmcRefusal,
  bodyParts: readonly number[],
): PartStatus {
  const parts = own ?? bodyParts
  const http = { status: failInfo === 'badIdentity' ? 403 : 400 }
  if (unserved) return { status: 'noSupport', bodyParts: parts, text: oneLine(message), http }
  return { ...failed(parts, failInfo, message), http }
}

function failed(bodyParts: readonly number[], failInfo: CmcFailInfo, text: string): PartStatus {
  return { status: 'failed', bodyParts, failInfo, text: oneLine(text) }
}

/** Never 404 or 501: those say that there is no /fullcmc here (RFC 7030 section 4.3.2). */
function httpOf({ code, retryAfter }: Failure): NonNullable<PartStatus['http']> {
  switch (code) {
    case 'unauthenticated':
      return { status: 401, headers: CHALLENGE }
    case 'forbidden':
    case 'rejectedIdentifier':
      return { status: 403 }
    case 'rateLimited':
      return { status: 429, headers: { 'Retry-After': String(retryAfter ?? 60) } }
    case 'unavailable':
      return { status: 503, headers: { 'Retry-After': String(retryAfter ?? 60) } }
    default:
      return { status: 400 }
  }
}
