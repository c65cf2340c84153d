import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { parseNetworkPolicy } from '../../src/http/networks.ts'
import { parseIp } from '../../src/pki/identifier.ts'

function refusal(setting: string, address: string): string {
  const ip = parseIp(address)
  if (!ip) throw new Error(`${address} is no address`)
  return parseNetworkPolicy(setting).refusal(ip) ?? 'reached'
}

describe('by default', () => {
  test.each([
    ['93.184.216.34', 'reached'],
    ['2606:2800:220:1::1', 'reached'],
    ['10.1.2.3', 'reached'],
    ['172.16.0.1', 'reached'],
    ['172.31.255.255', 'reached'],
    ['172.32.0.1', 'reached'],
    ['192.168.1.1', 'reached'],
    ['100.64.0.1', 'reached'],
    ['fd12:3456::1', 'reached'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['169.254.1.1', 'link-local'],
    ['169.254.169.254', 'metadata'],
    ['169.254.170.2', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['168.63.129.16', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['fd20:ce::254', 'metadata'],
    ['fe80::1', 'link-local'],
    ['0.0.0.0', 'reserved'],
    ['0.1.2.3', 'reserved'],
    ['::', 'reserved'],
    ['192.0.0.1', 'reserved'],
    ['192.0.2.1', 'documentation'],
    ['198.51.100.7', 'documentation'],
    ['203.0.113.9', 'documentation'],
    ['198.18.0.1', 'reserved'],
    ['224.0.0.1', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['ff02::1', 'multicast'],
    ['2001:db8::1', 'documentation'],
    ['3fff::1', 'documentation'],
    ['2001:20::1', 'reserved'],
    ['fec0::1', 'reserved'],
    ['100::1', 'reserved'],
    ['4000::1', 'reserved'],
  ])('%s is %s', (address, expected) => expect(refusal('', address)).toBe(expected))
})

describe('an IPv4 address inside an IPv6 address decides', () => {
  test.each([
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:169.254.169.254', 'metadata'],
    ['::ffff:10.0.0.1', 'reached'],
    ['::ffff:93.184.216.34', 'reached'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['64:ff9b::5db8:d822', 'reached'],
    ['64:ff9b:1::a00:1', 'reserved'],
    ['2002:7f00:1::1', 'loopback'],
    ['2002:a9fe:a9fe::', 'metadata'],
    ['2002:5db8:d822::1', 'reached'],
    // The client of a Teredo address stands inverted: 80ff:fffe is 127.0.0.1, 5601:5601 is 169.254.169.254.
    ['2001:0:5db8:d822:0:0:80ff:fffe', 'loopback'],
    ['2001:0:5db8:d822:0:0:5601:5601', 'metadata'],
    ['2001:0:7f00:1:0:0:a247:27dd', 'loopback'],
    ['2001:0:5db8:d822:0:0:a247:27dd', 'reached'],
    ['::7f00:1', 'loopback'],
    ['::5db8:d822', 'reserved'],
  ])('%s is %s', (address, expected) => expect(refusal('', address)).toBe(expected))

  test('a denied one too', () => {
    expect(refusal('!10.0.0.0/8', '::ffff:10.0.0.1')).toBe('denied')
    expect(refusal('public,private,!private', '::ffff:10.0.0.1')).toBe('denied')
  })
  test('an allowed network of IPv4 holds for the mapped form', () => {
    expect(refusal('127.0.0.0/8', '::ffff:127.0.0.1')).toBe('reached')
  })
})

describe('the setting', () => {
  test.each([
    ['what is named, and nothing else', '10.1.0.0/16', '10.1.9.9', 'reached'],
    ['nothing beside it', '10.1.0.0/16', '10.2.0.1', 'private'],
    ['public neither', '10.1.0.0/16', '93.184.216.34', 'public'],
    ['kinds and networks together', 'public,10.1.0.0/16', '93.184.216.34', 'reached'],
    ['spaces and capitals', ' Private  LOOPBACK ', '127.0.0.1', 'reached'],
    ['a single address', '127.0.0.2', '127.0.0.2', 'reached'],
    ['its neighbour not', '127.0.0.2', '127.0.0.1', 'loopback'],
    ['only refusals keep the default', '!10.0.0.5/32', '10.0.0.6', 'reached'],
    ['a refusal', '!10.0.0.5/32', '10.0.0.5', 'denied'],
    ['a refusal beats the same address', '10.0.0.5,!10.0.0.5', '10.0.0.5', 'denied'],
    ['a refusal beats any', 'any,!loopback', '127.0.0.1', 'denied'],
    ['any is any', 'any', '127.0.0.1', 'reached'],
    ['any but metadata', 'any', '169.254.169.254', 'metadata'],
    ['a network around metadata does not open it', '169.254.0.0/16', '169.254.169.254', 'metadata'],
    ['not even the widest', '0.0.0.0/0', '169.254.169.254', 'metadata'],
    ['nor a private network of IPv6', 'fd00::/8', 'fd00:ec2::254', 'metadata'],
    ['its name does', 'metadata', '169.254.169.254', 'reached'],
    ['its address does', '169.254.169.254', '169.254.169.254', 'reached'],
    ['a network of odd length', '10.64.0.0/11', '10.95.255.255', 'reached'],
    ['and its end', '10.64.0.0/11', '10.96.0.0', 'private'],
    ['of IPv6', '2001:db8:4000::/35', '2001:db8:5fff::1', 'reached'],
    ['and its end', '2001:db8:4000::/35', '2001:db8:6000::1', 'documentation'],
  ])('%s: %s', (_, setting, address, expected) => expect(refusal(setting, address)).toBe(expected))

  test.each([
    '10.0.0.0/33',
    '10.0.0/8',
    '010.0.0.1',
    'fd00::/129',
    'locahost',
    '!',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '!!10.0.0.1',
  ])('%s is refused by name', (entry) => {
    const reading = () => parseNetworkPolicy(`private,${entry}`)
    expect(reading).toThrow(Failure)
    expect(reading).toThrow(/is no network/)
  })
  test('bits after the prefix are refused, since they mean a mistake', () => {
    expect(() => parseNetworkPolicy('!10.0.0.5/8')).toThrow('"10.0.0.5/8" has bits set after its first 8')
  })
  test('any text is read or refused with a Failure', () => {
    const entry = fc.oneof(
      fc.string(),
      fc.ipV4(),
      fc.ipV6(),
      fc.tuple(fc.ipV6(), fc.nat(200)).map(([ip, n]) => `${ip}/${n}`),
    )
    fc.assert(
      fc.property(fc.array(entry), fc.uint8Array({ minLength: 16, maxLength: 16 }), (entries, ip) => {
        try {
          parseNetworkPolicy(entries.join(',')).refusal(Buffer.from(ip))
        } catch (error) {
          expect(error).toBeInstanceOf(Failure)
        }
      }),
    )
  })
  test('whatever is allowed, a refused network of IPv4 is out of reach in every form that carries it', () => {
    const forms = [
      (v4: number[]) => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4],
      (v4: number[]) => [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ...v4],
      (v4: number[]) => [0x20, 0x02, ...v4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ]
    const host = fc.tuple(fc.constant(10), fc.nat(255), fc.nat(255), fc.nat(255))
    fc.assert(
      fc.property(
        host,
        fc.constantFrom(...forms),
        fc.constantFrom('any', 'private', '', '::/0'),
        (v4, form, allowed) => {
          expect(parseNetworkPolicy(`${allowed},!10.0.0.0/8`).refusal(Buffer.from(form(v4)))).toBe('denied')
        },
      ),
    )
  })
})
