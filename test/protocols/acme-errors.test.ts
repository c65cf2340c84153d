import { describe, expect, it } from 'vitest'
import { AcmeError, type AcmeErrorType, asAcmeError, problemOf } from '../../protocols/acme/errors.ts'
import { Failure, type FailureCode } from '../../src/core/failure.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'

/** Written apart from the table in errors.ts, after wire wire 52. */
const expected: Record<FailureCode, [type: string, status: number]> = {
  malformed: ['malformed', 400],
  unauthenticated: ['unauthorized', 403],
  forbidden: ['unauthorized', 403],
  notFound: ['malformed', 404],
  conflict: ['malformed', 400],
  badCsr: ['badCSR', 400],
  badKey: ['badCSR', 400],
  badAlgorithm: ['badCSR', 400],
  rejectedIdentifier: ['rejectedIdentifier', 403],
  alreadyRevoked: ['alreadyRevoked', 400],
  badReason: ['badRevocationReason', 400],
  unsupported: ['malformed', 400],
  unsupportedMediaType: ['malformed', 415],
  tooLarge: ['malformed', 413],
  rateLimited: ['rateLimited', 429],
  unavailable: ['serverInternal', 503],
  internal: ['serverInternal', 500],
}

/** The IANA registry of ACME error types, as far as we send them: the compiler wants each type that there is, and no other. */
const registered: Record<AcmeErrorType, readonly [status: number, from: string]> = {
  accountDoesNotExist: [400, 'RFC 8555'],
  alreadyReplaced: [409, 'RFC 9773'],
  alreadyRevoked: [400, 'RFC 8555'],
  badCSR: [400, 'RFC 8555'],
  badNonce: [400, 'RFC 8555'],
  badPublicKey: [400, 'RFC 8555'],
  badRevocationReason: [400, 'RFC 8555'],
  badSignatureAlgorithm: [400, 'RFC 8555'],
  caa: [403, 'RFC 8555'],
  compound: [400, 'RFC 8555'],
  connection: [400, 'RFC 8555'],
  dns: [400, 'RFC 8555'],
  externalAccountRequired: [403, 'RFC 8555'],
  incorrectResponse: [403, 'RFC 8555'],
  invalidContact: [400, 'RFC 8555'],
  invalidProfile: [400, 'draft-ietf-acme-profiles'],
  malformed: [400, 'RFC 8555'],
  onionCAARequired: [403, 'RFC 9799'],
  orderNotReady: [403, 'RFC 8555'],
  rateLimited: [429, 'RFC 8555'],
  rejectedIdentifier: [403, 'RFC 8555'],
  serverInternal: [500, 'RFC 8555'],
  tls: [400, 'RFC 8555'],
  unauthorized: [403, 'RFC 8555'],
  unsupportedContact: [400, 'RFC 8555'],
  unsupportedIdentifier: [400, 'RFC 8555'],
  userActionRequired: [403, 'RFC 8555'],
}

describe('problem documents of ACME (RFC 8555 section 6.7, wire 51 and 52)', () => {
  it.each(Object.entries(expected))('the core’s %s leaves as %j', (code, [type, status]) => {
    const error = asAcmeError(new Failure(code as FailureCode, 'what to do'))
    const document = problemOf(error)
    expect(document).toMatchObject({ type: `urn:ietf:params:acme:error:${type}`, status })
    expect(error.status).toBe(status)
    expect(document.detail === 'what to do').toBe(code !== 'internal')
  })

  it.each(Object.entries(registered))(
    'wire 52: %s is %j, and is registered (RFC 8555 section 6.7)',
    (type, [status]) => {
      expect(new AcmeError(type as AcmeErrorType, '').status).toBe(status)
    },
  )

  it('problems of the core become subproblems; the identifier stands nowhere else', () => {
    const identifier = { type: 'dns', value: 'a.test' }
    const failure = new Failure('rejectedIdentifier', 'no', {
      problems: [{ at: 'identifiers.0', code: 'malformed', detail: 'why', identifier }],
    })
    expect(problemOf(asAcmeError(failure))).toEqual({
      type: 'urn:ietf:params:acme:error:rejectedIdentifier',
      detail: 'no',
      status: 403,
      subproblems: [{ type: 'urn:ietf:params:acme:error:malformed', detail: 'why', identifier }],
    })
  })

  it('what nobody foresaw is serverInternal and tells nothing', () => {
    for (const thrown of [new TypeError('the secret is 42'), 'text', undefined]) {
      const error = asAcmeError(thrown)
      expect(error.status).toBe(500)
      expect(JSON.stringify(problemOf(error))).not.toContain('42')
    }
  })

  it('a database that does not answer is 503 with a time to come back (wire 41)', () => {
    const error = asAcmeError(new DatabaseUnavailable('it is closed'))
    expect([error.type, error.status, error.options.retryAfter]).toEqual(['serverInternal', 503, 5])
  })

  it('a time to come back is kept', () => {
    expect(asAcmeError(new Failure('rateLimited', 'slow', { retryAfter: 17 })).options.retryAfter).toBe(17)
  })
})
