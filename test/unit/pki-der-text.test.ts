import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  generalizedTime,
  ia5,
  printable,
  readString,
  readTime,
  readTlv,
  TAG,
  time,
  tlv,
  utf8,
} from '../../src/pki/der.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const read = (text: string) => readTlv(hex(text))
const malformed = expect.objectContaining({ name: 'PkiError', kind: 'malformed' })

describe('strings', () => {
  test.each([
    ['UTF8String', '0c02 c3a9', 'é'],
    ['UTF8String with a byte order mark', '0c04 efbbbf41', '\ufeffA'],
    ['PrintableString', '1301 41', 'A'],
    ['PrintableString with an asterisk', '1302 2a2e', '*.'],
    ['IA5String', '1601 40', '@'],
    ['NumericString', '1202 3132', '12'],
    ['TeletexString as Latin-1', '1401 e9', 'é'],
    ['BMPString', '1e04 00e9 20ac', 'é€'],
    ['UniversalString', '1c04 0001f600', '😀'],
  ])('%s', (_, text, value) => {
    expect(readString(read(text))).toBe(value)
  })

  test.each([
    ['UTF-8 that is none', '0c01 ff'],
    ['overlong UTF-8', '0c02 c080'],
    ['a PrintableString outside ASCII', '1301 e9'],
    ['an IA5String outside ASCII', '1601 80'],
    ['a BMPString cut off', '1e01 00'],
    ['a BMPString with half a pair', '1e02 d800'],
    ['a UniversalString cut off', '1c03 000041'],
    ['a UniversalString beyond Unicode', '1c04 00110000'],
    ['a UniversalString with a surrogate', '1c04 0000d800'],
    ['what is no string', '0401 41'],
  ])('refuses %s', (_, text) => {
    expect(() => readString(read(text))).toThrow(malformed)
  })

  test('the writers refuse what their types do not have', () => {
    expect(printable("A-z 0'()+,./:=?")).toHaveLength(17)
    for (const character of '*@_&é\0') expect(() => printable(character)).toThrow(malformed)
    expect(() => ia5('é')).toThrow(malformed)
  })

  test('UTF8String goes there and back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(readString(readTlv(utf8(text)))).toBe(text)
      }),
    )
  })
})

describe('times, RFC 5280 section 4.1.2.5', () => {
  test.each([
    ['1949-12-31T23:59:59Z', TAG.generalizedTime, '19491231235959Z'],
    ['1950-01-01T00:00:00Z', TAG.utcTime, '500101000000Z'],
    ['1999-12-31T23:59:59Z', TAG.utcTime, '991231235959Z'],
    ['2049-12-31T23:59:59Z', TAG.utcTime, '491231235959Z'],
    ['2050-01-01T00:00:00Z', TAG.generalizedTime, '20500101000000Z'],
    ['9999-12-31T23:59:59Z', TAG.generalizedTime, '99991231235959Z'],
  ])('%s', (iso, tag, text) => {
    const encoded = readTlv(time(new Date(iso)))
    expect(encoded).toMatchObject({ tag, value: Buffer.from(text) })
    expect(readTime(encoded)).toEqual(new Date(iso))
  })

  test('milliseconds are cut off', () => {
    expect(readTime(readTlv(generalizedTime(new Date('2024-02-29T12:00:00.999Z'))))).toEqual(
      new Date('2024-02-29T12:00:00Z'),
    )
  })

  test('every second goes there and back', () => {
    const seconds = fc.integer({ min: Date.UTC(1, 0) / 1000, max: Date.UTC(9999, 11, 31) / 1000 })
    fc.assert(
      fc.property(seconds, (s) => {
        expect(readTime(readTlv(time(new Date(s * 1000))))).toEqual(new Date(s * 1000))
      }),
    )
  })

  test.each([
    [TAG.utcTime, '2401010000Z'],
    [TAG.utcTime, '240101000000+0100'],
    [TAG.utcTime, '240230000000Z'],
    [TAG.utcTime, '241301000000Z'],
    [TAG.utcTime, '20240101000000Z'],
    [TAG.generalizedTime, '240101000000Z'],
    [TAG.generalizedTime, '20240101000000.5Z'],
    [TAG.generalizedTime, '20240101240000Z'],
    [TAG.generalizedTime, '20240101000060Z'],
    [TAG.generalizedTime, '20230229000000Z'],
    [TAG.utf8, '240101000000Z'],
  ])('refuses tag %i with %s', (tag, text) => {
    expect(() => readTime(readTlv(tlv(tag, Buffer.from(text))))).toThrow(malformed)
  })
})
