import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { certificatesInFile } from '../../src/pki/certificateFile.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import { PkiError } from '../../src/pki/error.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { plainCertificates } from '../../src/pki/tlsHandshake.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { plainHandshake } from '../helpers/tlsPlaces.ts'

const ca = await foreignCa(new Date())
const leaf = (await ca.issue()).der
const key =
  '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAAA\n-----END RSA PRIVATE KEY-----\n'

describe('certificates of a file', () => {
  test('PEM, in its order, beside keys and other text', () => {
    const text = `words\n${key}${pemEncode('CERTIFICATE', leaf)}more\r\n${pemEncode('X509 CERTIFICATE', ca.fields.der)}`
    expect(certificatesInFile(Buffer.from(text))).toEqual([leaf, ca.fields.der])
  })

  test('DER, and PKCS #7 as DER and PEM', () => {
    const message = writeCertsOnly([leaf, ca.fields.der])
    expect(certificatesInFile(leaf)).toEqual([leaf])
    expect(certificatesInFile(message)).toEqual([leaf, ca.fields.der])
    expect(certificatesInFile(Buffer.from(pemEncode('PKCS7', message)))).toEqual([leaf, ca.fields.der])
  })

  test.each([
    ['nothing', ''],
    ['a key alone', key],
    ['a block without an end', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
    ['another block', pemEncode('CERTIFICATE REQUEST', Buffer.from([0x30, 0]))],
    ['what is not base64', '-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n'],
  ])('%s is refused', (_, text) => {
    expect(() => certificatesInFile(Buffer.from(text))).toThrow(PkiError)
  })

  test('a megabyte of beginnings is read in one pass', () => {
    const started = performance.now()
    expect(() => certificatesInFile(Buffer.from('-----BEGIN CERTIFICATE-----\n'.repeat(38_000)))).toThrow(PkiError)
    expect(() => certificatesInFile(Buffer.from('-----BEGIN X-----\n'.repeat(58_000)))).toThrow(PkiError)
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test('any bytes are certificates or a PkiError', () => {
    const start = fc.constantFrom(Buffer.of(), Buffer.of(0x30), Buffer.of(0x30, 0x80, 6), Buffer.from('-----BEGIN '))
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 200 }), (head, tail) => {
        try {
          expect(Array.isArray(certificatesInFile(Buffer.concat([head, tail])))).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('certificates in a TLS handshake', () => {
  const chain = [leaf, ca.fields.der]

  test('as they were sent, over one record or many', () => {
    expect(plainCertificates(plainHandshake(chain))).toEqual(chain)
    const many = Array.from({ length: 200 }, () => leaf)
    expect(plainCertificates(plainHandshake(many))).toEqual(many)
  })

  test('none of a handshake that is cut off anywhere', () => {
    const whole = plainHandshake(chain)
    for (let length = 0; length < whole.length; length++)
      expect(plainCertificates(whole.subarray(0, length))).toBeUndefined()
  })

  test('none where lengths do not agree', () => {
    const whole = plainHandshake([leaf])
    // The length of the list stands behind two record headers' worth of ServerHello; each octet of the three is changed.
    const at = whole.indexOf(leaf) - 6
    for (const octet of [0, 1, 2, 3, 4, 5]) {
      const wrong = Buffer.from(whole)
      wrong[at + octet] = (wrong[at + octet] ?? 0) ^ 1
      expect(plainCertificates(wrong)).toBeUndefined()
    }
  })

  test('any bytes are read without an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        plainCertificates(Buffer.concat([Buffer.from([22, 3, 3, 0, 200]), bytes]))
        plainCertificates(Buffer.from(bytes))
      }),
      { numRuns: 2000 },
    )
  })
})
