import * as asn1js from 'asn1js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bits,
  bool,
  children,
  context,
  enumerated,
  explicit,
  implicit,
  integer,
  nullValue,
  octets,
  oid,
  readBits,
  readBool,
  readInteger,
  readOctets,
  readOid,
  readSmallInteger,
  readString,
  readTime,
  readTlv,
  readTlvPrefix,
  seq,
  set,
  setOf,
  TAG,
  type Tlv,
  tlv,
} from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const read = (text: string) => readTlv(hex(text))
const bytes = (max = 64) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array))
const malformed = expect.objectContaining({ name: 'PkiError', kind: 'malformed' })

describe('lengths', () => {
  test.each([
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65536, '0483010000'],
    [16_777_216, '048401000000'],
  ])('%i octets are written with the header %s, and read again', (length, header) => {
    const encoded = octets(Buffer.alloc(length))
    expect(encoded.subarray(0, encoded.length - length).toString('hex')).toBe(header)
    expect(readOctets(readTlv(encoded))).toHaveLength(length)
  })

  test.each([
    ['nothing', ''],
    ['a tag alone', '04'],
    ['contents cut off', '0402 00'],
    ['a length cut off', '0482 01'],
    ['an indefinite length', '3080 0000'],
    ['a long form for a short length', '0481 01 00'],
    ['a long form with a leading zero', `0482 0080${'00'.repeat(128)}`],
    ['a length of five octets', '0485 0000000001 00'],
    ['the reserved length FF', '04ff 00'],
    ['a high tag number', '1f8101 00'],
    ['tag 0', '0000'],
    ['bytes after the end', '0500 00'],
  ])('refuses %s', (_, text) => {
    expect(() => read(text)).toThrow(malformed)
  })

  test('a prefix is read at its offset and says where the next value starts', () => {
    const buf = Buffer.concat([nullValue(), bool(true), nullValue()])
    expect(readTlvPrefix(buf, 2)).toMatchObject({ tag: TAG.boolean, der: hex('0101ff'), end: 5 })
  })
})

describe('structures', () => {
  test('children are views of the parent, in order', () => {
    const encoded = seq(integer(1), octets(hex('aa')))
    const [first, second] = children(readTlv(encoded))
    expect([first?.der, second?.der]).toEqual([hex('020101'), hex('0401aa')])
    expect(second?.value.buffer).toBe(encoded.buffer)
  })

  test('more children than allowed are refused', () => {
    const encoded = readTlv(seq(...new Array<Buffer>(5).fill(nullValue())))
    expect(children(encoded, 5)).toHaveLength(5)
    expect(() => children(encoded, 4)).toThrow(malformed)
  })

  test('a primitive value has no children', () => {
    expect(() => children(readTlv(octets(nullValue())))).toThrow(malformed)
  })

  test('SET OF is sorted by encoding, SET keeps its order', () => {
    const parts = () => [octets(hex('01')), integer(2), integer(1)] as const
    expect(setOf(...parts())).toEqual(hex('3109 020101 020102 040101'))
    expect(set(...parts())).toEqual(hex('3109 040101 020102 020101'))
  })

  test('tags of context', () => {
    expect(explicit(0, integer(5))).toEqual(hex('a003 020105'))
    expect(implicit(2, Buffer.from('a'))).toEqual(hex('8201 61'))
    expect(implicit(3, nullValue(), true)).toEqual(hex('a302 0500'))
    expect([context(1), context(1, false)]).toEqual([0xa1, 0x81])
    expect(readSmallInteger(read('8001 05'), context(0, false))).toBe(5)
  })
})

describe('INTEGER', () => {
  test.each([
    [0n, '020100'],
    [127n, '02017f'],
    [128n, '02020080'],
    [-1n, '0201ff'],
    [-128n, '020180'],
    [-129n, '0202ff7f'],
    [65537n, '0203010001'],
  ])('%s is %s', (value, encoded) => {
    expect(integer(value).toString('hex')).toBe(encoded)
    expect(readInteger(read(encoded))).toBe(value)
    expect(integer(Number(value)).toString('hex')).toBe(encoded)
  })

  test('any size goes there and back, and asn1js reads the same', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }), (value) => {
        const encoded = integer(value)
        expect(readInteger(readTlv(encoded))).toBe(value)
        expect((asn1js.fromBER(encoded).result as asn1js.Integer).toBigInt()).toBe(value)
      }),
    )
  })

  test('a buffer is an unsigned magnitude', () => {
    expect(integer(hex('0000ff'))).toEqual(hex('0202 00ff'))
    expect(integer(hex('00'))).toEqual(hex('0201 00'))
    expect(integer(Buffer.alloc(0))).toEqual(hex('0201 00'))
  })

  test.each(['0200', '0202 007f', '0202 ff80', '0101 00'])('refuses %s', (text) => {
    expect(() => readInteger(read(text))).toThrow(malformed)
  })

  test('a number out of the safe range is refused', () => {
    expect(readSmallInteger(readTlv(integer(Number.MAX_SAFE_INTEGER)))).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => readSmallInteger(readTlv(integer(2n ** 53n)))).toThrow(malformed)
    expect(() => readSmallInteger(readTlv(integer(2n ** 63n)))).toThrow(malformed)
  })

  test('ENUMERATED has its own tag', () => {
    expect(enumerated(1)).toEqual(hex('0a01 01'))
    expect(readSmallInteger(read('0a01 01'), TAG.enumerated)).toBe(1)
  })
})

describe('OBJECT IDENTIFIER', () => {
  test.each([
    ['1.2.840.113549.1.1.11', '06092a864886f70d01010b'],
    ['0.9.2342.19200300.100.1.25', '060a0992268993f22c640119'],
    ['2.5.29.17', '0603551d11'],
    ['2.999.1', '0603883701'],
    ['2.25.329800735698586629295641978511506172918', '06146983f09da7ebcfdee0c7a1a7b2c0948cc8f9d776'],
  ])('%s', (dotted, encoded) => {
    expect(oid(dotted).toString('hex')).toBe(encoded)
    expect(readOid(readTlv(oid(dotted)))).toBe(dotted)
  })

  test('any goes there and back, and asn1js reads the same', () => {
    const arcs = fc.array(fc.nat({ max: 2 ** 31 - 1 }), { maxLength: 12 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 39 }), arcs, (first, second, rest) => {
        const dotted = [first, second, ...rest].join('.')
        expect(readOid(readTlv(oid(dotted)))).toBe(dotted)
        expect((asn1js.fromBER(oid(dotted)).result as asn1js.ObjectIdentifier).getValue()).toBe(dotted)
      }),
    )
  })

  test.each(['0600', '0602 2a86', '0603 2a8001', `0616 2a${'ff'.repeat(20)}7f`, `0682 0101${'01'.repeat(257)}`])(
    'refuses the encoding %s',
    (text) => {
      expect(() => readOid(read(text))).toThrow(malformed)
    },
  )

  test.each(['', '1', '3.1', '1.40', '1.2.', '1.02', '1.2.x', ' 1.2', `1.2.${'1'.repeat(600)}`])(
    'refuses the text "%s"',
    (text) => {
      expect(() => oid(text)).toThrow(malformed)
    },
  )
})

describe('BOOLEAN, BIT STRING', () => {
  test('booleans', () => {
    expect([readBool(readTlv(bool(true))), readBool(readTlv(bool(false)))]).toEqual([true, false])
  })

  test.each(['0101 01', '0100', '0102 ffff'])('refuses the BOOLEAN %s', (text) => {
    expect(() => readBool(read(text))).toThrow(malformed)
  })

  test('bits', () => {
    expect(bits(hex('a0'), 5)).toEqual(hex('0302 05a0'))
    expect(readBits(read('0302 05a0'))).toEqual({ bytes: hex('a0'), unused: 5 })
    expect(readBits(read('0301 00'))).toEqual({ bytes: Buffer.alloc(0), unused: 0 })
  })

  test.each(['0300', '0301 01', '0302 08 00', '0302 05 b0'])('refuses the BIT STRING %s', (text) => {
    expect(() => readBits(read(text))).toThrow(malformed)
  })
})

describe('any bytes', () => {
  const readers: ((tlv: Tlv) => unknown)[] = [
    readInteger,
    readSmallInteger,
    readOid,
    readBool,
    readBits,
    readOctets,
    readString,
    readTime,
    children,
  ]
  const onlyPkiError = (work: () => unknown) => {
    try {
      work()
    } catch (error) {
      expect(error).toBeInstanceOf(PkiError)
    }
  }

  test('readTlv gives a value or a PkiError, and what it reads is written the same', () => {
    fc.assert(
      fc.property(bytes(), (buf) =>
        onlyPkiError(() => {
          const read = readTlv(buf)
          expect(tlv(read.tag, read.value)).toEqual(buf)
        }),
      ),
      { numRuns: 500 },
    )
  })

  test('every reader gives a value or a PkiError', () => {
    const tags = fc.constantFrom(...Object.values(TAG))
    fc.assert(
      fc.property(tags, bytes(), (tag, value) => {
        for (const reader of readers) onlyPkiError(() => reader({ tag, value, der: tlv(tag, value) }))
      }),
      { numRuns: 1000 },
    )
  })
})
