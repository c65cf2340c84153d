import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseSubjectAltName } from '../../protocols/ra/subjectAltName.ts'
import { PkiError } from '../../src/pki/error.ts'

describe('subjectAltName', () => {
  it.each([
    ['', []],
    ['DNS:A.Test', [{ type: 'dns', value: 'a.test' }]],
    ['dNSName=a.test, dNSName=a.test', [{ type: 'dns', value: 'a.test' }]],
    [
      'iPAddress=192.0.2.1,IP:2001:DB8:0::1',
      [
        { type: 'ip', value: '192.0.2.1' },
        { type: 'ip', value: '2001:db8::1' },
      ],
    ],
    ['rfc822Name=a@x.test', [{ type: 'email', value: 'a@x.test' }]],
    ['uniformResourceIdentifier=https://a.test/x\\,y=1', [{ type: 'uri', value: 'https://a.test/x,y=1' }]],
  ])('%s', (text, names) => {
    expect(parseSubjectAltName(text)).toEqual(names)
  })

  it.each([
    'a.test',
    'DNS:',
    'DNS:a b',
    ',',
    'DNS:a.test,',
    'DNS:a\\.test',
    'IP:999.1.1.1',
    'email:x',
    'URI:no',
    'dirName:CN=x',
  ])('refuses %s', (text) => {
    expect(() => parseSubjectAltName(text)).toThrow(PkiError)
  })

  it('answers any text with names or a refusal', () => {
    const piece = fc.constantFrom('DNS:', 'IP=', 'email:', 'URI:', ',', '\\', ' ', 'a.test', '1.2.3.4', '@', '\0', 'ü')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            expect(Array.isArray(parseSubjectAltName(text))).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(PkiError)
          }
        },
      ),
    )
  })
})
