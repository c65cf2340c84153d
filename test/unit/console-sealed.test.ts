import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { takesGzip } from '../../src/console/compress.ts'
import { csrfToken, isCsrfToken } from '../../src/console/sealed.ts'

const secret = randomBytes(32)

describe('the token of forms', () => {
  it('is taken for its session, and for no other one or installation', () => {
    const token = csrfToken(secret, 'session')
    expect(isCsrfToken(secret, 'session', token)).toBe(true)
    expect(isCsrfToken(secret, 'other', token)).toBe(false)
    expect(isCsrfToken(randomBytes(32), 'session', token)).toBe(false)
  })

  it('is never the same twice, in either half', () => {
    const halves = Array.from({ length: 20 }, () => Buffer.from(csrfToken(secret, 'session'), 'base64url')).flatMap(
      (token) => [token.subarray(0, 32).toString('hex'), token.subarray(32).toString('hex')],
    )
    expect(new Set(halves).size).toBe(40)
  })

  it('is refused with any octet changed, cut off or appended', () => {
    fc.assert(
      fc.property(fc.nat(63), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const token = Buffer.from(csrfToken(secret, 'session'), 'base64url')
        token[at] = (token[at] ?? 0) ^ by
        expect(isCsrfToken(secret, 'session', token.toString('base64url'))).toBe(false)
        expect(isCsrfToken(secret, 'session', token.subarray(0, at).toString('base64url'))).toBe(false)
      }),
    )
    expect(isCsrfToken(secret, 'session', `${csrfToken(secret, 'session')}AAAA`)).toBe(false)
  })

  it('is refused whatever text it is', () => {
    fc.assert(fc.property(fc.string({ maxLength: 100 }), (text) => !isCsrfToken(secret, 'session', text)))
  })
})

describe('Accept-Encoding', () => {
  it.each(['gzip', 'gzip, deflate, br, zstd', 'br;q=1.0, gzip;q=0.8', 'deflate,GZIP', 'gzip ; q=1'])(
    '%s takes gzip',
    (value) => expect(takesGzip(value)).toBe(true),
  )
  it.each([undefined, '', 'br', 'gzip;q=0', 'gzip;q=0.000, br', 'xgzip', 'gzipped', 'identity'])(
    '%s does not',
    (value) => expect(takesGzip(value)).toBe(false),
  )
})
