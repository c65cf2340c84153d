import type { FailureCode } from '../core/failure.ts'

/** What a browser is told by the status, and a person by the heading. */
export const failures = {
  malformed: { status: 400, title: 'That cannot be read' },
  unauthenticated: { status: 401, title: 'Sign in first' },
  forbidden: { status: 403, title: 'You may not do that' },
  notFound: { status: 404, title: 'There is nothing here' },
  conflict: { status: 409, title: 'Something happened in between' },
  badCsr: { status: 422, title: 'The signing request is not accepted' },
  badKey: { status: 422, title: 'The key is not accepted' },
  badAlgorithm: { status: 422, title: 'The algorithm is not accepted' },
  rejectedIdentifier: { status: 422, title: 'A name is not accepted' },
  alreadyRevoked: { status: 409, title: 'The certificate is revoked already' },
  badReason: { status: 422, title: 'That reason is not accepted' },
  unsupported: { status: 422, title: 'That is not offered' },
  unsupportedMediaType: { status: 415, title: 'That cannot be read' },
  tooLarge: { status: 413, title: 'That is too long' },
  rateLimited: { status: 429, title: 'Too often' },
  unavailable: { status: 503, title: 'Not available for a moment' },
  internal: { status: 500, title: 'The server failed' },
} as const satisfies Record<FailureCode, { status: number; title: string }>
