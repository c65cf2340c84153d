import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bits, explicit, integer, nullValue, octets, oid, seq, tlv } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeExtension } from '../../src/pki/extensions.ts'
import { copyCertId, parseOcspRequest } from '../../src/pki/ocsp.ts'
import { OID } from '../../src/pki/oid.ts'

const sha1Id = (serial = 1) =>
  seq(seq(oid(OID.sha1), nullValue()), octets(Buffer.alloc(20, 1)), octets(Buffer.alloc(20, 2)), integer(serial))
const tbs = (ids: Buffer[], ...tail: Buffer[]) => seq(seq(...ids.map((id) => seq(id))), ...tail)
const nonce = (value: Buffer) => explicit(2, seq(encodeExtension(OID.ocspNonce, value)))

test('a CertID that is kept does not hold the request that it came in', () => {
  const request = seq(tbs([sha1Id(7)], nonce(octets(Buffer.alloc(128)))))
  const [certId] = parseOcspRequest(request).certIds
  if (!certId) throw new Error('there is one')
  const copy = copyCertId(certId)
  expect(copy).toEqual(certId)
  for (const { buffer } of [copy.der, copy.issuerNameHash, copy.issuerKeyHash])
    expect(buffer.byteLength).toBe(certId.der.length)
})

describe('parseOcspRequest', () => {
  test('accepts 32 questions, a version, a requestor name and a nonce of 1 to 128 octets (RFC 9654 section 2.1)', () => {
    const ids = Array.from({ length: 32 }, (_, n) => sha1Id(n + 1))
    const requestor = explicit(1, tlv(0x82, Buffer.from('client.example.com')))
    const parsed = parseOcspRequest(
      seq(seq(explicit(0, integer(0)), requestor, seq(...ids.map((id) => seq(id))), nonce(octets(Buffer.alloc(128))))),
    )
    expect(parsed.certIds).toHaveLength(32)
    expect(parsed.certIds[4]).toMatchObject({ serial: '05', der: ids[4] })
    expect(parsed.nonce).toHaveLength(128)
    expect(parseOcspRequest(seq(tbs([sha1Id()], nonce(octets(Buffer.alloc(1)))))).nonce).toHaveLength(1)
  })

  test.each([
    ['33 questions', seq(tbs(Array.from({ length: 33 }, () => sha1Id()))), 'malformed'],
    ['no question', seq(tbs([])), 'malformed'],
    ['an empty nonce', seq(tbs([sha1Id()], nonce(octets(Buffer.alloc(0))))), 'malformed'],
    ['a nonce of 129 octets', seq(tbs([sha1Id()], nonce(octets(Buffer.alloc(129))))), 'malformed'],
    ['a bare nonce', seq(tbs([sha1Id()], nonce(Buffer.alloc(16, 7)))), 'malformed'],
    [
      'two nonces',
      seq(
        tbs(
          [sha1Id()],
          explicit(2, seq(...[1, 2].map(() => encodeExtension(OID.ocspNonce, octets(Buffer.alloc(16)))))),
        ),
      ),
      'malformed',
    ],
    ['version 2', seq(seq(explicit(0, integer(1)), seq(seq(sha1Id())))), 'malformed'],
    [
      'a hash of the wrong length',
      seq(tbs([seq(seq(oid(OID.sha256)), octets(Buffer.alloc(20)), octets(Buffer.alloc(20)), integer(1))])),
      'malformed',
    ],
    [
      'MD5',
      seq(tbs([seq(seq(oid(OID.md5)), octets(Buffer.alloc(16)), octets(Buffer.alloc(16)), integer(1))])),
      'unsupported',
    ],
    ['a negative serial', seq(tbs([sha1Id(-1)])), 'malformed'],
    [
      'a critical extension that we do not know',
      seq(tbs([sha1Id()], explicit(2, seq(encodeExtension('1.2.3', nullValue(), true))))),
      'unsupported',
    ],
    [
      'a critical extension of one question',
      seq(seq(seq(seq(sha1Id(), explicit(0, seq(encodeExtension('1.2.3', nullValue(), true))))))),
      'unsupported',
    ],
    ['a signature that is none', seq(tbs([sha1Id()]), explicit(0, seq(seq(), nullValue()))), 'malformed'],
    [
      'something left over',
      seq(tbs([sha1Id()]), explicit(0, seq(seq(), bits(Buffer.alloc(1)))), nullValue()),
      'malformed',
    ],
    ['bytes after the end', Buffer.concat([seq(tbs([sha1Id()])), Buffer.of(0)]), 'malformed'],
    ['nothing', Buffer.alloc(0), 'malformed'],
  ])('refuses %s', (_, der, kind) => {
    expect(() => parseOcspRequest(der)).toThrow(expect.objectContaining({ name: 'PkiError', kind }))
  })

  test('an extension that is not critical is ignored', () => {
    expect(
      parseOcspRequest(seq(tbs([sha1Id()], explicit(2, seq(encodeExtension('1.2.3', nullValue())))))).nonce,
    ).toBeUndefined()
  })

  test('random bytes and mutations: PkiError or a request', () => {
    const good = seq(
      tbs([sha1Id(), sha1Id(2)], nonce(octets(Buffer.alloc(16)))),
      explicit(0, seq(seq(oid('1.2.3')), bits(Buffer.alloc(4)))),
    )
    const attempt = (der: Buffer) => {
      try {
        expect(parseOcspRequest(der).certIds.length).toBeGreaterThan(0)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    attempt(good)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => attempt(Buffer.from(bytes))))
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, octet) => attempt(Buffer.from(good.with(at, octet)))),
      { numRuns: 3000 },
    )
  })
})
