import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { berToDer } from '../../src/pki/ber.ts'
import { explicit, implicit, integer, nullValue, octets, oid, seq, set, TAG, tlv, utf8 } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { asBer } from '../helpers/ber.ts'

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex')
const refused = expect.objectContaining({ name: 'PkiError', kind: 'malformed' })

/** DER values of any shape, strings of up to 400 octets. */
const { value } = fc.letrec<{ value: Buffer }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.uint8Array({ maxLength: 400 }).map((bytes) => octets(Buffer.from(bytes))),
    fc.bigInt({ min: 0n, max: 1n << 90n }).map((n) => integer(n)),
    fc.string({ maxLength: 200 }).map(utf8),
    fc.array(tie('value'), { maxLength: 5 }).map((parts) => seq(...parts)),
    fc.array(tie('value'), { maxLength: 5 }).map((parts) => set(...parts)),
    tie('value').map((part) => explicit(3, part)),
  ),
}))

describe('berToDer', () => {
  test('DER comes back as it is, without a copy', () => {
    const der = seq(oid('1.2.840.113549.1.7.1'), explicit(0, seq(integer(1), set(), octets(Buffer.alloc(300)))))
    expect(berToDer(der).equals(der)).toBe(true)
    expect(berToDer(der).buffer).toBe(der.buffer)
  })

  test.each([
    ['an open length', '3080 0500 0000', '3002 0500'],
    ['open lengths within each other', '3080 a080 020101 0000 0000', '3005 a003 020101'],
    ['an open length within a closed one', '3007 3080 020105 0000', '3005 3003 020105'],
    ['a length in more octets than needed', '308103 020101', '3003 020101'],
    ['a primitive value with such a length', '0284 00000001 07', '020107'],
    ['eight octets of length', '0488 0000000000000002 abcd', '0402 abcd'],
    ['a string in pieces', '2480 0402 0102 0401 03 0000', '0403 010203'],
    ['pieces of pieces', '2480 2407 2402 0400 0401 01 0401 02 0000', '0402 0102'],
    ['a string without pieces', '2480 0000', '0400'],
    ['a string in pieces of a closed length', '2407 0402 0102 0401 03', '0403 010203'],
  ])('%s', (_, ber, der) => {
    expect(berToDer(hex(ber)).toString('hex')).toBe(hex(der).toString('hex'))
  })

  test('a SET keeps its order, and a [0] IMPLICIT string its pieces: only their reader knows', () => {
    expect(berToDer(hex('3180 020102 020101 0000'))).toEqual(set(integer(2), integer(1)))
    expect(berToDer(hex('a080 040101 040102 0000'))).toEqual(implicit(0, hex('040101 040102'), true))
  })

  test.each([125, 252, 253, 300, 65_531, 65_532])(
    'an open length around %i octets, which may take as much room as a definite one',
    (size) => {
      const inner = octets(Buffer.alloc(size, 7))
      const open = Buffer.concat([Buffer.of(TAG.seq, 0x80), inner, Buffer.alloc(2)])
      expect(berToDer(open).equals(seq(inner))).toBe(true)
      expect(berToDer(Buffer.concat([Buffer.of(TAG.seq, 0x80), open, Buffer.alloc(2)])).equals(seq(seq(inner)))).toBe(
        true,
      )
    },
  )

  test('a string in pieces that are long', () => {
    const pieces = [127, 128, 255, 256, 65_536].map((length) => Buffer.alloc(length, length & 0xff))
    const ber = Buffer.concat([hex('2480'), ...pieces.map((piece) => octets(piece)), hex('0000')])
    expect(berToDer(ber).equals(octets(Buffer.concat(pieces)))).toBe(true)
  })

  test.each([
    ['nothing', ''],
    ['one octet', '30'],
    ['a value that is cut off', '3005 020101'],
    ['an open length without an end', '3080 020101'],
    ['half an end', '3080 020101 00'],
    ['an end where none belongs', '3002 0000'],
    ['a primitive value of open length', '0480 0101 0000'],
    ['a string with a piece of another type', '2480 020101 0000'],
    ['a piece of another type that is written anew', '2480 02810101 0000'],
    ['a tag number above 30', '1f8101 00'],
    ['the reserved length', '30ff'],
    ['a length of nine octets', '0489 000000000000000000'],
    ['a length beyond all numbers', '0488 ffffffffffffffff'],
    ['an inner value longer than the outer', '3003 02050101010101'],
    ['bytes after the end', '0500 00'],
    ['bytes after an open end', '3080 0000 00'],
  ])('refuses %s', (_, ber) => {
    expect(() => berToDer(hex(ber))).toThrow(refused)
  })

  test('limits: size, depth, number of values, each one beyond', () => {
    const deep = (levels: number) =>
      Buffer.concat([...Array(levels).fill(hex('3080')), ...Array(levels).fill(hex('0000'))])
    expect(berToDer(deep(32))).toHaveLength(64)
    expect(() => berToDer(deep(33))).toThrow('nested too deep')
    expect(berToDer(deep(5), { depth: 5 })).toHaveLength(10)
    expect(() => berToDer(deep(6), { depth: 5 })).toThrow('nested too deep')
    const wide = (count: number) => seq(...Array(count).fill(nullValue()))
    expect(berToDer(wide(9), { values: 10 })).toEqual(wide(9))
    expect(() => berToDer(wide(10), { values: 10 })).toThrow('too many values')
    expect(() => berToDer(wide(20_000))).toThrow('too many values')
    expect(() => berToDer(octets(Buffer.alloc(1 << 20)))).toThrow('more than 1048576 octets')
    expect(berToDer(octets(Buffer.alloc(8)), { size: 10 })).toHaveLength(10)
    expect(() => berToDer(octets(Buffer.alloc(9)), { size: 10 })).toThrow('more than 10 octets')
  })

  test('a megabyte of openings is refused at the limit of depth, not by an exhausted stack', () => {
    const openings = Buffer.alloc(1 << 20, hex('3080'))
    expect(() => berToDer(openings)).toThrow('nested too deep')
    expect(() => berToDer(openings, { depth: 500 })).toThrow('nested too deep')
    expect(() => berToDer(Buffer.alloc(1 << 20, hex('2480')))).toThrow('nested too deep')
  })

  test('every BER form of a value becomes its DER, and DER of DER is the same', () => {
    const form = fc.record({
      open: fc.boolean(),
      lengthOctets: fc.constantFrom(0, 4, 8),
      piece: fc.constantFrom(0, 1, 7, 130),
    })
    fc.assert(
      fc.property(value, form, (der, how) => {
        expect(berToDer(asBer(der, how)).equals(der)).toBe(true)
        expect(berToDer(der).equals(der)).toBe(true)
      }),
    )
  })

  test('random bytes and mutations: PkiError or a value that stays the same', () => {
    const attempt = (bytes: Buffer) => {
      try {
        const der = berToDer(bytes)
        expect(berToDer(der).equals(der)).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
        expect(error).toMatchObject({ kind: 'malformed' })
      }
    }
    const good = asBer(seq(tlv(0xa0, seq(integer(5), octets(Buffer.alloc(40)))), set(octets(Buffer.alloc(9)))), {
      open: true,
      lengthOctets: 4,
      piece: 4,
    })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => attempt(Buffer.from(bytes))),
      { numRuns: 3000 },
    )
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, octet) => attempt(Buffer.from(good.with(at, octet)))),
      { numRuns: 3000 },
    )
  })
})
