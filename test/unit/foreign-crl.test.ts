import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { readForeignCrl } from '../../src/core/revocation/foreignCrl.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { foreignCa } from '../helpers/foreignCa.ts'

const now = new Date('2026-03-01T12:00:00Z')

describe('a CRL that somebody hands in', async () => {
  const ca = await foreignCa(now)
  const entries = [{ serial: 'ff'.repeat(20), revokedAt: now, reason: 1, invalidityDate: now }]
  const good = await ca.crl({ number: 2n ** 100n, entries, idp: { urls: ['http://old.test/1.crl'] } })
  const attempt = (file: Buffer) => {
    try {
      return readForeignCrl(file, ca.fields, now)
    } catch (error) {
      expect(error).toBeInstanceOf(Failure)
      expect((error as Failure).code).toBe('malformed')
      return undefined
    }
  }

  test('is read as DER and as PEM, also with text around it', () => {
    expect(attempt(good)?.number).toBe(2n ** 100n)
    const pem = `some text\n${pemEncode('X509 CRL', good)}\nmore\n`
    expect(attempt(Buffer.from(pem))?.entries).toEqual(entries)
    expect(attempt(Buffer.from(pem + pem))).toBeUndefined()
    expect(attempt(Buffer.from(pemEncode('CERTIFICATE', good)))).toBeUndefined()
  })

  test('random octets are malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        expect(attempt(Buffer.from(octets))).toBeUndefined()
      }),
    )
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        expect(attempt(Buffer.from(`-----BEGIN X509 CRL-----\n${text}`))).toBeUndefined()
      }),
    )
  })

  test('no octet of it can be changed, and it cannot be cut short', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        expect(attempt(Buffer.from(good.with(at, (good[at] ?? 0) ^ change)))).toBeUndefined()
      }),
      { numRuns: 1500 },
    )
    fc.assert(fc.property(fc.nat(good.length - 1), (length) => attempt(good.subarray(0, length)) === undefined))
  })

  test('a later clock elsewhere is taken by five minutes', async () => {
    const at = (minutes: number) => new Date(now.getTime() + minutes * 60_000)
    expect(attempt(await ca.crl({ thisUpdate: at(4) }))).toBeDefined()
    expect(attempt(await ca.crl({ thisUpdate: at(6) }))).toBeUndefined()
  })
})
