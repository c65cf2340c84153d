import { Failure, type FailureCode } from '../core/failure.ts'
import type { Answered } from './acmeHttp.ts'

const prefix = 'urn:ietf:params:acme:error:'
const longest = 600

/** A problem document of RFC 7807, as far as it is text. */
export interface UpstreamProblem {
  /** Without the prefix of RFC 8555 section 6.7. */
  type: string
  detail: string
}

/** What may pass, or is mended at the CA or in the account, is no end of the request. */
const codes: Record<string, FailureCode> = {
  badNonce: 'unavailable',
  rateLimited: 'unavailable',
  serverInternal: 'unavailable',
  orderNotReady: 'unavailable',
  accountDoesNotExist: 'unavailable',
  userActionRequired: 'unavailable',
  rejectedIdentifier: 'rejectedIdentifier',
  unsupportedIdentifier: 'rejectedIdentifier',
  badCSR: 'badCsr',
  badPublicKey: 'badKey',
  alreadyRevoked: 'alreadyRevoked',
  badRevocationReason: 'badReason',
  malformed: 'malformed',
}

/** Reads a problem document; undefined for what is none. */
export function readProblem(value: unknown): UpstreamProblem | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { type, detail, subproblems } = value as Record<string, unknown>
  if (typeof type !== 'string') return undefined
  const parts = Array.isArray(subproblems) ? subproblems.slice(0, 10).flatMap(subproblem) : []
  const texts = [typeof detail === 'string' ? detail : '', ...parts].filter((text) => text !== '')
  return {
    type: shown(type.startsWith(prefix) ? type.slice(prefix.length) : type, 100),
    detail: shown(texts.join('; '), longest),
  }
}

function subproblem(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const { detail, identifier } = value as { detail?: unknown; identifier?: { value?: unknown } }
  if (typeof detail !== 'string') return []
  return [typeof identifier?.value === 'string' ? `${identifier.value}: ${detail}` : detail]
}

/** The words of somebody else, for one line of ours. */
export function shown(text: string, most = longest): string {
  const line = text.slice(0, most * 2).replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, ' ')
  return line.length > most ? `${line.slice(0, most)}…` : line
}

export function problemText({ type, detail }: UpstreamProblem): string {
  return detail === '' ? type : `${detail} (${type})`
}

/** What an answer that is no success means. */
export function refusalOf({ status, headers }: Answered, problem: UpstreamProblem | undefined, host: string): Failure {
  const retryAfter = secondsOf(headers['retry-after'])
  const options = retryAfter === undefined ? {} : { retryAfter }
  if (!problem) {
    if (status === 404) return new Failure('notFound', `the upstream CA at ${host} answered with 404`)
    return new Failure('unavailable', `the upstream CA at ${host} answered with status ${status}`, options)
  }
  const passing = status >= 500 || status === 429 || status === 408
  const code = passing ? 'unavailable' : status === 404 ? 'notFound' : (codes[problem.type] ?? 'forbidden')
  return new Failure(code, `the upstream CA refused: ${problemText(problem)}`, { ...options, cause: problem })
}

/** Whether a CA answered with this type of problem. */
export function isProblem(error: unknown, type: string): boolean {
  return error instanceof Failure && (error.cause as UpstreamProblem | undefined)?.type === type
}

/** Seconds of a Retry-After: of a number, or until a date. At least one, at most an hour. */
export function secondsOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d{1,9}$/.test(header) ? Number(header) : Math.ceil((Date.parse(header) - Date.now()) / 1000)
  return Number.isNaN(seconds) ? undefined : Math.min(3_600, Math.max(1, seconds))
}
