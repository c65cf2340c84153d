import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PkiError } from '../../src/pki/error.ts'
import { type Name, nameOf, nameText, parseNameText } from '../../src/pki/name.ts'
import { ATTRIBUTE_TYPES } from '../../src/pki/nameAttribute.ts'
import { buildCsr, ecKey, openssl } from '../helpers/csrs.ts'

const malformed = expect.objectContaining({ name: 'PkiError', kind: 'malformed' })
const types = fc.oneof(fc.constantFrom(...Object.keys(ATTRIBUTE_TYPES)), fc.constant('1.2.3.4'))
const names = fc.array(
  fc.array(fc.record({ type: types, value: fc.string({ unit: 'binary', maxLength: 20 }) }), {
    minLength: 1,
    maxLength: 2,
  }),
  { maxLength: 5 },
)

describe('text, RFC 4514', () => {
  test.each<[string, Name]>([
    ['CN=www.example.com,O=Example\\, Inc.,C=DE', nameOf({ C: 'DE', O: 'Example, Inc.', CN: 'www.example.com' })],
    [
      'OU=Sales+CN=J. Smith,DC=example,DC=net',
      [
        [{ type: 'DC', value: 'net' }],
        [{ type: 'DC', value: 'example' }],
        [
          { type: 'OU', value: 'Sales' },
          { type: 'CN', value: 'J. Smith' },
        ],
      ],
    ],
    ['CN=James \\"Jim\\" Smith\\, III', nameOf({ CN: 'James "Jim" Smith, III' })],
    ['CN=\\#1\\+\\<2\\>\\;\\\\', nameOf({ CN: '#1+<2>;\\' })],
    ['CN=\\ a b\\ ', nameOf({ CN: ' a b ' })],
    ['CN=Before\\0DAfter', nameOf({ CN: 'Before\rAfter' })],
    ['CN=\\E2\\80\\AEx', nameOf({ CN: '\u202ex' })],
    ['CN=Lučić', nameOf({ CN: 'Lučić' })],
    ['1.2.3.4=#0c0161', [[{ type: '1.2.3.4', value: 'a' }]]],
    ['', []],
  ])('%s', (text, name) => {
    expect(nameText(name)).toBe(text)
    expect(parseNameText(text)).toEqual(name)
  })

  test.each<[string, Name]>([
    ['cn = a , o = b', nameOf({ O: 'b', CN: 'a' })],
    ['E=a@b.c,givenName=G,surname=S', nameOf({ SN: 'S', GN: 'G', emailAddress: 'a@b.c' })],
    ['oid.2.5.4.3=x,2.5.4.10=y', nameOf({ O: 'y', CN: 'x' })],
    ['SN=Lu\\C4\\8Di\\C4\\87', nameOf({ SN: 'Lučić' })],
    ['CN=#0c026869', nameOf({ CN: 'hi' })],
    ['CN=', [[{ type: 'CN', value: '' }]]],
  ])('also reads %s', (text, name) => {
    expect(parseNameText(text)).toEqual(name)
  })

  test.each([
    'CN',
    'CN=a,',
    ',',
    'CN=a,,O=b',
    '=a',
    'XX=a',
    'CN=a;b',
    'CN="a"',
    'CN=a\\',
    'CN=\\x',
    'CN=\\ff',
    'CN=#',
    'CN=#0c',
    'CN=#0c0161 x',
    '1.40=x',
    'CN=a<b',
  ])('refuses %s', (text) => {
    expect(() => parseNameText(text)).toThrow(malformed)
  })

  test('any name comes back from its text', () => {
    fc.assert(
      fc.property(names, (name) => {
        expect(parseNameText(nameText(name))).toEqual(name)
      }),
    )
  })

  test('the text of a name never holds a control character', () => {
    fc.assert(
      fc.property(names, (name) => {
        expect(nameText(name)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2028]/u)
      }),
    )
  })

  test('any text gives a name or a PkiError', () => {
    const pieces = fc.array(fc.constantFrom('CN', 'o', '=', ',', '+', '\\', '#', '0c', ' ', '"', '1.2', 'é', 'ff'), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            parseNameText(text)
          } catch (error) {
            expect(error).toBeInstanceOf(PkiError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('openssl prints the same text', () => {
    const key = ecKey()
    const subjects = [
      nameOf({ C: 'DE', O: 'Example, Inc. + "Co"', OU: ' lead and trail ', CN: '#Lučić <a>;\\' }),
      [...nameOf({ DC: 'net' }), ...nameOf({ DC: 'example', UID: 'jsmith', street: 'Main 1' })],
    ]
    for (const subject of subjects) {
      const printed = openssl(
        ['req', '-inform', 'DER', '-noout', '-subject', '-nameopt', 'RFC2253,-esc_msb,utf8'],
        buildCsr({ key, subject }),
      )
      expect(printed.toString().trimEnd()).toBe(`subject=${nameText(subject)}`)
    }
  })
})
