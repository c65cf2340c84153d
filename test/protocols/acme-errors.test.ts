import { describe, expect, it } from 'vitest'
import { AcmeError, asAcmeError, problemOf } from '../../protocols/acme/errors.ts'
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

describe('problem documents of ACME (RFC 8555 section 6.7, wire 51 and 52)', () => {
  it.each(Object.entries(expected))('the core’s %s leaves as %j', (code, [type, status]) => {
    const error = asAcmeError(new Failure(code as FailureCode, 'what to do'))
    const document = problemOf(error)
    expect(document).toMatchObject({ type: `urn:ietf:params:acme:error:${type}`, status })
    expect(error.status).toBe(status)
    expect(document.detail === 'what to do').toBe(code !== 'internal')
  })

  it.each([
    ['accountDoesNotExist', 400],
    ['alreadyRevoked', 400],
    ['badNonce', 400],
    ['badPublicKey', 400],
    ['badSignatureAlgorithm', 400],
    ['incorrectResponse', 403],
    ['invalidContact', 400],
    ['orderNotReady', 403],
    ['rejectedIdentifier', 403],
    ['unauthorized', 403],
    ['unsupportedContact', 400],
    ['unsupportedIdentifier', 400],
    ['userActionRequired', 403],
  ] as const)('%s is %i', (type, status) => {
    expect(new AcmeError(type, '').status).toBe(status)
  })

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
