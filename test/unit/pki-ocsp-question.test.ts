import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bool, explicit, integer, nullValue, octets, oid, seq, tlv } from '../../src/pki/der.ts'
import { DerBackwards } from '../../src/pki/derBackwards.ts'
import { encodeExtension } from '../../src/pki/extensions.ts'
import { type OcspRequest, parseOcspRequest } from '../../src/pki/ocsp.ts'
import { findPlainRequest } from '../../src/pki/ocspQuestion.ts'
import { OID } from '../../src/pki/oid.ts'

const id = (serial: Buffer) =>
  seq(seq(oid(OID.sha1), nullValue()), octets(Buffer.alloc(20, 1)), octets(Buffer.alloc(20, 2)), integer(serial))
const one = id(Buffer.from([5]))
const request = (ids: Buffer[], ...tail: Buffer[]) => seq(seq(seq(...ids.map((each) => seq(each))), ...tail))
const extensions = (...all: Buffer[]) => explicit(2, seq(...all))
const nonce = (value: Buffer) => extensions(encodeExtension(OID.ocspNonce, octets(value)))

function parsed(der: Buffer): OcspRequest | undefined {
  try {
    return parseOcspRequest(der)
  } catch {
    return undefined
  }
}

/** What it finds is what the parser reads, unless the CertID itself is what the parser refuses. */
function agrees(der: Buffer): void {
  const plain = findPlainRequest(der)
  if (!plain) return
  const certId = der.subarray(plain.certId.start, plain.certId.end)
  const whole = parsed(der)
  expect(whole === undefined).toBe(parsed(request([certId])) === undefined)
  if (!whole) return
  expect(whole.certIds.map(({ der }) => der)).toEqual([certId])
  expect(whole.nonce).toEqual(plain.nonce && der.subarray(plain.nonce.start, plain.nonce.end))
  expect(whole.signed).toBe(false)
}

describe('findPlainRequest', () => {
  test.each([1, 32, 128])('finds the question and a nonce of %i octets', (length) => {
    const der = request([one], nonce(Buffer.alloc(length, 7)))
    const found = findPlainRequest(der)
    expect(found && der.subarray(found.certId.start, found.certId.end)).toEqual(one)
    expect(found?.nonce && der.subarray(found.nonce.start, found.nonce.end)).toEqual(Buffer.alloc(length, 7))
  })

  test('finds the question alone, also a long one', () => {
    for (const serial of [
      Buffer.from([5]),
      Buffer.alloc(20, 0x41),
      Buffer.alloc(300, 0x41),
      Buffer.alloc(9000, 0x41),
    ]) {
      const der = request([id(serial)])
      const found = findPlainRequest(der)
      expect(found && der.subarray(found.certId.start, found.certId.end)).toEqual(id(serial))
      expect(found?.nonce).toBeUndefined()
    }
  })

  test.each([
    ['two questions', request([one, one])],
    ['no question', request([])],
    ['a version', seq(seq(explicit(0, integer(0)), seq(seq(one))))],
    ['a requestor name', seq(seq(explicit(1, tlv(0x82, Buffer.from('a'))), seq(seq(one))))],
    ['a signature', seq(seq(seq(seq(one))), explicit(0, seq(seq(oid(OID.sha1)))))],
    ['an extension of the question', seq(seq(seq(seq(one, explicit(0, seq(encodeExtension('1.2.3', nullValue())))))))],
    ['another extension', request([one], extensions(encodeExtension('1.2.3', octets(Buffer.alloc(9)))))],
    [
      'two extensions',
      request([one], extensions(...[1, 2].map(() => encodeExtension(OID.ocspNonce, octets(Buffer.alloc(9)))))),
    ],
    [
      'a critical nonce',
      request([one], extensions(seq(oid(OID.ocspNonce), bool(true), octets(octets(Buffer.alloc(9)))))),
    ],
    ['an empty nonce', request([one], nonce(Buffer.alloc(0)))],
    ['a nonce of 129 octets', request([one], nonce(Buffer.alloc(129)))],
    ['a bare nonce', request([one], extensions(encodeExtension(OID.ocspNonce, Buffer.alloc(9, 1))))],
    ['something behind it', Buffer.concat([request([one]), Buffer.from([0])])],
    [
      'a length that is not minimal',
      Buffer.concat([Buffer.from([0x30, 0x81, one.length + 6]), request([one]).subarray(2)]),
    ],
    ['nothing', Buffer.alloc(0)],
  ])('leaves %s to the parser', (_, der) => {
    expect(findPlainRequest(der)).toBeUndefined()
  })

  test('says what the parser says of requests that were tampered with, cut off or made up', () => {
    const whole = fc.constantFrom(
      request([one]),
      request([one], nonce(Buffer.alloc(16, 3))),
      request([id(Buffer.alloc(200, 3))]),
    )
    const touched = fc
      .tuple(whole, fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }), fc.nat(20))
      .map(([der, changes, cut]) => {
        const out = Buffer.from(der)
        for (const [at, octet] of changes) out[at % out.length] = octet
        return cut < 5 ? out.subarray(0, out.length - cut) : out
      })
    fc.assert(fc.property(touched, agrees), { numRuns: 5_000 })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (octets) => agrees(Buffer.from(octets))),
      { numRuns: 1_000 },
    )
  })
})

describe('DerBackwards', () => {
  test.each([0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000])(
    'writes what der.ts writes around %i octets',
    (length) => {
      const content = Buffer.alloc(length, 5)
      const out = new DerBackwards(length + 20)
      const end = out.at
      out.put(content)
      out.wrap(0x04, end)
      out.wrap(0x30, end)
      expect(out.done()).toEqual(seq(octets(content)))
    },
  )

  test('more than there is room for is an error, not half a value', () => {
    expect(() => new DerBackwards(3).put(Buffer.alloc(4))).toThrow(RangeError)
    const out = new DerBackwards(3)
    const end = out.at
    out.put(Buffer.alloc(3))
    out.wrap(0x04, end)
    expect(() => out.done()).toThrow(RangeError)
  })
})
