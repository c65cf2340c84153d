import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countPlaces, parseTarget, placesFrom } from '../../src/core/discovery/discoveryTarget.ts'
import { failure } from '../helpers/people.ts'

const texts = (target: string, from = 0, most = 100) =>
  placesFrom([parseTarget(target)], from, most).map(({ text }) => text)

describe('targets of a discovery', () => {
  test.each([
    ['www.example.org', ['www.example.org:443']],
    ['WWW.Example.Org.:8443', ['www.example.org:8443']],
    ['localhost:1', ['localhost:1']],
    ['192.0.2.7:443,8443', ['192.0.2.7:443', '192.0.2.7:8443']],
    ['2001:DB8::1', ['[2001:db8::1]:443']],
    ['[2001:db8::1]:8443', ['[2001:db8::1]:8443']],
    ['10.0.0.1/30', ['10.0.0.0:443', '10.0.0.1:443', '10.0.0.2:443', '10.0.0.3:443']],
    ['10.0.0.2/31:1,2', ['10.0.0.2:1', '10.0.0.2:2', '10.0.0.3:1', '10.0.0.3:2']],
    ['[2001:db8::]/127:8443', ['[2001:db8::]:8443', '[2001:db8::1]:8443']],
    ['[2001:db8::/127]', ['[2001:db8::]:443', '[2001:db8::1]:443']],
    ['2001:db8::/127', ['[2001:db8::]:443', '[2001:db8::1]:443']],
    ['10.1.2.3/32', ['10.1.2.3:443']],
    ['folder:web/a.pem', ['folder:web/a.pem']],
  ])('%s', (target, places) => {
    expect(texts(target)).toEqual(places)
  })

  test.each([
    '',
    'www.example.org:0',
    'www.example.org:65536',
    'www.example.org:1,2,3,4,5,6,7,8,9',
    'www.example.org:443,',
    'https://www.example.org/',
    'www..example.org',
    '*.example.org',
    '10.0.0.0/8',
    '10.0.0.0/33',
    '2001:db8::/64',
    '[10.0.0.1]:443',
    '0x7f.0.0.1',
    '127.1',
    '2130706433',
    'fe80::1%eth0',
    'folder:',
    'folder:../etc',
    'folder:/etc/ssl',
    'folder:a//b',
    'folder:.hidden',
    'folder:a/../../b',
  ])('%s is refused', (target) => {
    expect(() => parseTarget(target)).toThrow(expect.objectContaining(failure('malformed')))
  })

  test('a network of a /16 is counted and gone through from any place on', () => {
    const targets = ['www.example.org', '10.1.0.0/16:443,8443', '192.0.2.1'].map(parseTarget)
    expect(countPlaces(targets)).toBe(1 + 131_072 + 1)
    expect(placesFrom(targets, 131_071, 100).map(({ text }) => text)).toEqual([
      '10.1.255.255:443',
      '10.1.255.255:8443',
      '192.0.2.1:443',
    ])
  })

  test('more places than that are refused, and so is nothing at all', () => {
    expect(() => countPlaces(Array.from({ length: 5 }, () => parseTarget('10.1.0.0/16')))).toThrow(/at most 262144/)
    expect(() => countPlaces([])).toThrow(/from 1 to 100/)
  })

  test('whatever is written, it is a target or malformed', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f.:/[\],]{0,30}$/)), (text) => {
        try {
          for (const place of placesFrom([parseTarget(text)], 0, 3)) expect(place.text.length).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toMatchObject(failure('malformed'))
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('pages of places, one after the other, are all of them', () => {
    const target = fc.constantFrom('a.test:1,2', '10.0.0.0/29:1,2,3', '[2001:db8::]/126', 'folder:a', '10.0.0.7')
    fc.assert(
      fc.property(fc.array(target, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 9 }), (given, most) => {
        const targets = given.map(parseTarget)
        const total = countPlaces(targets)
        const all = placesFrom(targets, 0, total)
        expect(all).toHaveLength(total)
        const paged = []
        for (let from = 0; from < total; from += most) paged.push(...placesFrom(targets, from, most))
        expect(paged).toEqual(all)
      }),
    )
  })
})
