import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bits, ia5, oid, printable, readTlv, seq, set, TAG, tlv, utf8 } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import {
  decodeName,
  encodeName,
  type Name,
  nameOf,
  nameProblems,
  nameText,
  parseNameText,
  sameName,
} from '../../src/pki/name.ts'
import { ATTRIBUTE_TYPES } from '../../src/pki/nameAttribute.ts'
import { OID } from '../../src/pki/oid.ts'

const malformed = expect.objectContaining({ name: 'PkiError', kind: 'malformed' })
const types = fc.oneof(fc.constantFrom(...Object.keys(ATTRIBUTE_TYPES)), fc.constant('1.2.3.4'))
const names = fc.array(
  fc.array(fc.record({ type: types, value: fc.string({ unit: 'binary', maxLength: 20 }) }), {
    minLength: 1,
    maxLength: 2,
  }),
  { maxLength: 5 },
)

describe('DER', () => {
  test('C, serialNumber and dnQualifier are PrintableString, emailAddress and DC IA5String, the rest UTF8String', () => {
    const name = nameOf({
      C: 'DE',
      serialNumber: '12',
      dnQualifier: 'a',
      emailAddress: 'a@b',
      DC: 'example',
      O: 'Example',
      CN: 'a',
    })
    const encoded = [
      [OID.countryName, printable('DE')],
      [OID.serialNumber, printable('12')],
      [OID.dnQualifier, printable('a')],
      [OID.emailAddress, ia5('a@b')],
      [OID.domainComponent, ia5('example')],
      [OID.organizationName, utf8('Example')],
      [OID.commonName, utf8('a')],
    ] as const
    expect(encodeName(name)).toEqual(seq(...encoded.map(([type, value]) => set(seq(oid(type), value)))))
  })

  test('the empty name is an empty SEQUENCE', () => {
    expect(encodeName([])).toEqual(Buffer.from('3000', 'hex'))
    expect(decodeName(Buffer.from('3000', 'hex'))).toEqual([])
  })

  test('the attributes of one RDN are sorted as SET OF asks', () => {
    const name: Name = [
      [
        { type: 'OU', value: 'x' },
        { type: 'CN', value: 'y' },
      ],
    ]
    expect(decodeName(encodeName(name))).toEqual([
      [
        { type: 'CN', value: 'y' },
        { type: 'OU', value: 'x' },
      ],
    ])
  })

  test('a value that is no string keeps its encoding', () => {
    const der = seq(set(seq(oid('2.5.4.45'), bits(Buffer.from('aa', 'hex')))))
    const name = decodeName(der)
    expect(name).toMatchObject([[{ type: '2.5.4.45', value: '#030200aa' }]])
    expect(nameText(name)).toBe('2.5.4.45=#030200aa')
    expect(encodeName(name)).toEqual(der)
  })

  test('any name comes back the same name', () => {
    fc.assert(
      fc.property(names, (name) => {
        expect(sameName(decodeName(encodeName(name)), name)).toBe(true)
      }),
    )
  })

  test.each([
    ['an empty RDN', seq(set())],
    ['an attribute without a value', seq(set(seq(oid(OID.commonName))))],
    ['an attribute with two values', seq(set(seq(oid(OID.commonName), utf8('a'), utf8('b'))))],
    ['a type that is no identifier', seq(set(seq(utf8('CN'), utf8('a'))))],
    ['UTF-8 that is none', seq(set(seq(oid(OID.commonName), tlv(TAG.utf8, Buffer.from([0xff])))))],
    ['an RDN that is no SET', seq(seq(seq(oid(OID.commonName), utf8('a'))))],
    ['a SET for a name', set()],
    ['more RDNs than any name has', seq(...new Array<Buffer>(65).fill(set(seq(oid(OID.commonName), utf8('a')))))],
    ['bytes after the end', Buffer.concat([seq(), seq()])],
  ])('refuses %s', (_, der) => {
    expect(() => decodeName(der)).toThrow(malformed)
  })

  test('the writer refuses unknown types and empty RDNs', () => {
    for (const type of ['', 'XX', 'constructor', '1.', '9.9'])
      expect(() => encodeName([[{ type, value: 'a' }]])).toThrow(malformed)
    expect(() => encodeName([[]])).toThrow(malformed)
  })

  test('random and damaged bytes give a name or a PkiError', () => {
    const valid = encodeName(nameOf({ C: 'DE', O: 'Example', CN: 'www.example.com' }))
    const damaged = fc.tuple(fc.nat({ max: valid.length - 1 }), fc.nat({ max: 255 })).map(([at, value]) => {
      const copy = Buffer.from(valid)
      copy[at] = value
      return copy
    })
    const random = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
    fc.assert(
      fc.property(fc.oneof(random, damaged), (der) => {
        try {
          nameText(decodeName(der))
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('comparison, RFC 5280 section 7.1', () => {
  const same = (a: string, b: string) => sameName(parseNameText(a), parseNameText(b))

  test('letter case, runs of spaces, and string types do not matter', () => {
    expect(same('CN=Example  CA,C=DE', 'CN=\\ example ca\\ ,C=de')).toBe(true)
    const teletex = decodeName(seq(set(seq(oid(OID.commonName), tlv(TAG.teletex, Buffer.from('É', 'latin1'))))))
    expect(sameName(teletex, nameOf({ CN: 'é' }))).toBe(true)
  })

  test('the order of RDNs matters, that of the attributes of one does not', () => {
    expect(same('CN=a,O=b', 'O=b,CN=a')).toBe(false)
    expect(same('CN=a+O=b', 'O=b+CN=a')).toBe(true)
  })

  test.each([
    ['CN=a', 'CN=b'],
    ['CN=a', 'O=a'],
    ['CN=a', 'CN=a,O=b'],
    ['CN=a+O=b', 'CN=a,O=b'],
    ['CN=ab', 'CN=a b'],
    ['2.5.4.45=#030200aa', '2.5.4.45=\\#030200aa'],
  ])('%s is not %s', (a, b) => {
    expect(same(a, b)).toBe(false)
  })
})

describe('bounds of RFC 5280 appendix A', () => {
  test('a sound name has no problems', () => {
    const name = nameOf({
      C: 'DE',
      ST: 'B',
      L: 'B',
      O: 'O'.repeat(64),
      OU: 'x',
      CN: '名'.repeat(64),
      emailAddress: 'a@b',
      DC: 'c',
    })
    expect(nameProblems(name)).toEqual([])
  })

  test.each([
    ['CN', 'a'.repeat(65), 'CN: has 65 characters, at most 64 are allowed'],
    ['O', '😀'.repeat(65), 'O: has 65 characters, at most 64 are allowed'],
    ['L', 'a'.repeat(129), 'L: has 129 characters, at most 128 are allowed'],
    ['C', 'de', 'C: is not a country code of two capital letters'],
    ['C', 'DEU', 'C: is not a country code of two capital letters'],
    ['serialNumber', 'a_b', 'serialNumber: has characters outside PrintableString'],
    ['emailAddress', 'é@b', 'emailAddress: has characters outside ASCII'],
    ['CN', 'a\nb', 'CN: contains control characters'],
    ['CN', '', 'CN: is empty'],
    ['XX', 'a', 'XX: is no attribute type'],
  ])('%s=%j', (type, value, problem) => {
    expect(nameProblems([[{ type, value }]])).toEqual([problem])
  })

  test('a value that is no string is a problem', () => {
    expect(nameProblems([[{ type: 'CN', value: '#0500', der: readTlv(Buffer.from('0500', 'hex')).der }]])).toEqual([
      'CN: is not a string',
    ])
  })
})
