import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { implicit, nullValue, seq, set } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import {
  decodeGeneralNames,
  encodeGeneralNames,
  formatIp,
  type Identifier,
  ipInNetwork,
  isValidDnsName,
  parseCidr,
  parseIp,
} from '../../src/pki/identifier.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'

const malformed = expect.objectContaining({ name: 'PkiError', kind: 'malformed' })
const octets = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array))
// Addresses with many zeros, where the shortening happens.
const sparse = fc
  .array(fc.constantFrom(0, 0, 0, 1, 0xff, 0xdb), { minLength: 16, maxLength: 16 })
  .map((array) => Buffer.from(array))

describe('IP addresses', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::', '::'],
    ['::1', '::1'],
    ['fe80::', 'fe80::'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is written %s (RFC 5952)', (text, canonical) => {
    const bytes = parseIp(text)
    expect(bytes && formatIp(bytes)).toBe(canonical)
  })

  test.each([
    '',
    '1',
    '127.1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    '0x7f.0.0.1',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.-4',
    '1.2.3.4/32',
    '2130706433',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '::12345',
    '::g',
    'fe80::1%eth0',
    '[::1]',
    '::1.2.3',
    '::01.2.3.4',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '::ffff:192.0.2.1\n',
  ])('refuses %j', (text) => {
    expect(parseIp(text)).toBeUndefined()
  })

  test('any address comes back, and node writes it the same', () => {
    fc.assert(
      fc.property(fc.oneof(octets(4), octets(16), sparse), (bytes) => {
        const text = formatIp(bytes)
        expect(parseIp(text)).toEqual(bytes)
        expect(new SocketAddress({ address: text, family: bytes.length === 4 ? 'ipv4' : 'ipv6' }).address).toBe(text)
      }),
    )
  })

  test('what is read, node takes for an address too, and the other way round', () => {
    const pieces = fc.array(fc.constantFrom(':', '::', '.', '0', '1', 'ff', '255', '256', '01', '1.2.3.4'), {
      maxLength: 16,
    })
    fc.assert(
      fc.property(
        pieces.map((parts) => parts.join('')),
        (text) => {
          expect(parseIp(text) !== undefined, text).toBe(isIPv4(text) || isIPv6(text))
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('networks', () => {
  test.each([
    ['192.0.2.7', '192.0.2.0/24', true],
    ['192.0.3.7', '192.0.2.0/24', false],
    ['192.0.2.7', '192.0.2.0/29', true],
    ['192.0.2.8', '192.0.2.0/29', false],
    ['192.0.2.7', '0.0.0.0/0', true],
    ['192.0.2.7', '192.0.2.7/32', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.8', '192.0.2.7', false],
    ['2001:db8::1', '2001:db8::/33', true],
    ['2001:db8:8000::1', '2001:db8::/33', false],
    ['2001:db8::1', '::/0', true],
    ['192.0.2.7', '::/0', false],
    ['::ffff:192.0.2.7', '192.0.2.0/24', false],
    ['192.0.2.7', 'nonsense', false],
  ])('%s in %s: %s', (ip, cidr, inside) => {
    expect(ipInNetwork(parseIp(ip) ?? Buffer.alloc(0), cidr)).toBe(inside)
  })

  test.each(['192.0.2.0/33', '192.0.2.0/', '192.0.2.0/08', '192.0.2.0/-1', '192.0.2/24', '::/129', '::/1/2', '/8', ''])(
    'refuses %j',
    (text) => {
      expect(parseCidr(text)).toBeUndefined()
    },
  )
})

describe('host names', () => {
  test.each([
    'example.com',
    'a',
    'a-b.c1.example',
    'WWW.Example.com',
    'xn--bcher-kva.example',
    'xn--fiqs8s',
    'r3---sn-x.example',
    '1.example',
    `${'a'.repeat(63)}.com`,
    [...new Array(31).fill('abcdefg'), 'abcde'].join('.'),
  ])('accepts %s', (name) => {
    expect(isValidDnsName(name)).toBe(true)
  })

  test.each([
    '',
    '.',
    'example.com.',
    '.example.com',
    'a..b',
    '-a.example',
    'a-.example',
    'a_b.example',
    'a b',
    'bücher.example',
    '*.example.com',
    '192.0.2.1',
    'example.1',
    'example.0x7f',
    `${'a'.repeat(64)}.com`,
    [...new Array(31).fill('abcdefg'), 'abcdef'].join('.'),
    'a\0.example',
    'a\n',
    '::1',
    // A-labels: not Punycode, of plain ASCII, not what their Unicode form encodes to (xn---gek), of nothing.
    'xn--\u00fc',
    'xn--a',
    'xn--example-',
    'xn---gek',
    'xn---31vj.example',
    'xn--ab-foa7w',
    'xn--99999999',
    'xn--',
    'xn--.example',
    'xn--Bcher-Kva-.example',
  ])('refuses %j', (name) => {
    expect(isValidDnsName(name)).toBe(false)
  })

  test('a wildcard only on the left, only whole, only where allowed', () => {
    const valid = (name: string) => isValidDnsName(name, { wildcard: true })
    expect(['*.example.com', 'example.com'].filter(valid)).toHaveLength(2)
    expect(
      ['*', '*.', 'a*.example.com', '*a.example.com', 'a.*.example.com', '*.*.example.com', '*.192.0.2.1'].filter(
        valid,
      ),
    ).toEqual([])
  })

  test('underscores only where allowed', () => {
    expect(isValidDnsName('_sip._tcp.example', { underscore: true })).toBe(true)
    expect(isValidDnsName('_sip._tcp.example')).toBe(false)
  })
})

describe('GeneralNames', () => {
  const identifiers: Identifier[] = [
    { type: 'dns', value: '*.example.com' },
    { type: 'ip', value: '192.0.2.1' },
    { type: 'ip', value: '2001:db8::1' },
    { type: 'email', value: 'a@example.com' },
    { type: 'uri', value: 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6' },
  ]

  test('the four kinds go there and back', () => {
    expect(decodeGeneralNames(encodeGeneralNames(identifiers))).toEqual({ identifiers, other: [] })
  })

  test('dns is lower-cased, repetitions are dropped', () => {
    const der = encodeGeneralNames([
      { type: 'dns', value: 'WWW.example.com' },
      { type: 'dns', value: 'www.Example.com' },
    ])
    expect(decodeGeneralNames(der).identifiers).toEqual([{ type: 'dns', value: 'www.example.com' }])
  })

  test('other kinds are handed on as they are', () => {
    const directory = implicit(4, encodeName(nameOf({ CN: 'x' })), true)
    const registered = implicit(8, Buffer.from([0x2a]))
    expect(decodeGeneralNames(seq(directory, registered)).other).toEqual([
      { tag: 0xa4, der: directory },
      { tag: 0x88, der: registered },
    ])
  })

  test.each([
    ['no name at all', seq()],
    ['a SET', set(implicit(2, Buffer.from('a')))],
    ['an address of five octets', seq(implicit(7, Buffer.alloc(5)))],
    ['an address with its mask', seq(implicit(7, Buffer.alloc(8)))],
    ['a dNSName with a zero octet', seq(implicit(2, Buffer.from('good.example\0.evil.example')))],
    ['a dNSName outside ASCII', seq(implicit(2, Buffer.from('bücher.example')))],
    ['an empty dNSName', seq(implicit(2, Buffer.alloc(0)))],
    ['an rfc822Name with a line end', seq(implicit(1, Buffer.from('a@b\r\nx')))],
    ['a choice that does not exist', seq(implicit(9, Buffer.alloc(0)))],
    ['a universal tag', seq(nullValue())],
  ])('refuses %s', (_, der) => {
    expect(() => decodeGeneralNames(der)).toThrow(malformed)
  })

  test.each<Identifier>([
    { type: 'dns', value: 'bücher.example' },
    { type: 'dns', value: '' },
    { type: 'email', value: 'a b' },
    { type: 'ip', value: '1.2.3' },
  ])('the writer refuses $type:$value', (identifier) => {
    expect(() => encodeGeneralNames([identifier])).toThrow(malformed)
  })

  test('random and damaged bytes give names or a PkiError', () => {
    const valid = encodeGeneralNames(identifiers)
    const damaged = fc.tuple(fc.nat({ max: valid.length - 1 }), fc.nat({ max: 255 })).map(([at, value]) => {
      const copy = Buffer.from(valid)
      copy[at] = value
      return copy
    })
    const random = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
    fc.assert(
      fc.property(fc.oneof(random, damaged), (der) => {
        try {
          decodeGeneralNames(der)
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
