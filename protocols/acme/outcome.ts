/** The error types of RFC 8555 section 6.7 that a validation can end with, without the urn prefix. */
export type ValidationErrorType =
  | 'connection'
  | 'dns'
  | 'tls'
  | 'incorrectResponse'
  | 'unauthorized'
  | 'malformed'
  | 'badCSR'
  | 'caa'
  | 'serverInternal'

export type ValidationResult =
  /** Epoch milliseconds: `until`, after which the proof must not count; `caaCheckedAt`, when CAA was found to allow it. */
  | { ok: true; address?: string; until?: number; caaCheckedAt?: number }
  | { ok: false; error: { type: ValidationErrorType; detail: string }; retry: boolean }

/** `retry`: the cause is of the passing kind (RFC 8555 section 8.2), so that asking again may succeed. */
export class ValidationFailure extends Error {
  override readonly name = 'ValidationFailure'
  readonly type: ValidationErrorType
  readonly retry: boolean

  constructor(type: ValidationErrorType, detail: string, retry = false) {
    super(detail)
    this.type = type
    this.retry = retry
  }
}

const MAX_DETAIL = 1000
const MAX_QUOTE = 100

/** What somebody else's server sent, fit for a message: printable ASCII in quotes, the rest escaped, at most about 100 characters. */
export function quote(text: string): string {
  const cut = text.slice(0, MAX_QUOTE)
  const safe = JSON.stringify(cut).replace(
    /[^\x20-\x7e]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  if (safe.length <= MAX_QUOTE + 2 && cut.length === text.length) return safe
  return `${safe.slice(0, MAX_QUOTE).replace(/\\[^\\]{0,5}$|"$/, '')}…"`
}

/** The result that tells of this failure. Anything else that was thrown is a fault of ours and shows nothing. */
export function failed(error: unknown): ValidationResult {
  if (!(error instanceof ValidationFailure)) {
    const detail = 'the validation failed for an internal reason'
    return { ok: false, error: { type: 'serverInternal', detail }, retry: true }
  }
  return { ok: false, error: { type: error.type, detail: error.message.slice(0, MAX_DETAIL) }, retry: error.retry }
}
