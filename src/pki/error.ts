export type PkiErrorKind = 'malformed' | 'unsupported' | 'badSignature'

/**
 * The only exception that a parser of src/pki throws, whatever the bytes.
 * `malformed`: the bytes break the format; `unsupported`: well formed, but an algorithm, curve or version that we do not serve;
 * `badSignature`: the signature does not fit. The message is fit for a client.
 */
export class PkiError extends Error {
  override readonly name = 'PkiError'
  readonly kind: PkiErrorKind

  constructor(kind: PkiErrorKind, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.kind = kind
  }
}

/** PkiError('malformed'). */
export function malformed(detail: string, options?: ErrorOptions): PkiError {
  return new PkiError('malformed', detail, options)
}

/** PkiError('unsupported'). */
export function unsupported(detail: string, options?: ErrorOptions): PkiError {
  return new PkiError('unsupported', detail, options)
}
