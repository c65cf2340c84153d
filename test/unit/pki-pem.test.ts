import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PkiError } from '../../src/pki/error.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { ecKey } from '../helpers/csrs.ts'

const malformed = expect.objectContaining({ name: 'PkiError', kind: 'malformed' })
const block = (label: string, ...lines: string[]) =>
  [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')

describe('writing, RFC 7468 section 3', () => {
  test('is what node writes', () => {
    const key = createPublicKey(ecKey())
    expect(pemEncode('PUBLIC KEY', key.export({ type: 'spki', format: 'der' }))).toBe(
      key.export({ type: 'spki', format: 'pem' }),
    )
  })

  test.each([0, 1, 47, 48, 49, 96])('%i octets: no line above 64 characters, none empty, LF at the end', (length) => {
    const text = pemEncode('X', Buffer.alloc(length, 7))
    expect(text).toMatch(/^-----BEGIN X-----\n([^\n]{64}\n)*([^\n]{1,64}\n)?-----END X-----\n$/)
  })
})

describe('reading', () => {
  test('any blocks come back in order', () => {
    const blocks = fc.array(
      fc.record({
        label: fc.constantFrom('CERTIFICATE', 'CERTIFICATE REQUEST', 'X509 CRL', 'A-B', ''),
        der: fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
      }),
    )
    fc.assert(
      fc.property(blocks, (list) => {
        expect(pemDecode(list.map(({ label, der }) => pemEncode(label, der)).join(''))).toEqual(list)
      }),
    )
  })

  test.each([
    ['text around blocks', `Subject: CN=a\n${block('X', 'YWJj')}trailing`],
    ['CRLF', block('X', 'YWJj').replaceAll('\n', '\r\n')],
    ['CR', block('X', 'YWJj').replaceAll('\n', '\r')],
    ['no line end at the end', block('X', 'YWJj').trimEnd()],
    ['white space at line ends, empty lines', block('X', '  YWJj\t', '')],
    ['lines of other lengths', block('X', 'Y', 'WJ', 'j')],
  ])('accepts %s', (_, text) => {
    expect(pemDecode(text)).toEqual([{ label: 'X', der: Buffer.from('abc') }])
  })

  test('a text without blocks has none', () => {
    expect(pemDecode('hello\n-----\n')).toEqual([])
  })

  test.each([
    ['a block that does not end', '-----BEGIN X-----\nYWJj\n'],
    ['another label at the end', '-----BEGIN X-----\nYWJj\n-----END Y-----\n'],
    ['a block in a block', block('X', block('X', 'YWJj'))],
    ['an end without a beginning', '-----END X-----\n'],
    ['base64url', block('X', '-_-_')],
    ['base64 without padding', block('X', 'YWI')],
    ['too much padding', block('X', 'YWJj====')],
    ['bits that nobody reads', block('X', 'YWK=', '')],
    ['a space inside a line', block('X', 'YW Jj')],
    ['headers of RFC 1421', block('X', 'Proc-Type: 4,ENCRYPTED', '', 'YWJj')],
    ['a bad label', block(' X', 'YWJj')],
    ['a label with two spaces', block('X  Y', 'YWJj')],
  ])('refuses %s', (_, text) => {
    expect(() => pemDecode(text)).toThrow(malformed)
  })

  test('any text gives blocks or a PkiError', () => {
    const pieces = fc.array(
      fc.constantFrom(
        '-----BEGIN X-----',
        '-----END X-----',
        '-----',
        '\n',
        '\r\n',
        'YWJj',
        '=',
        ' ',
        '-----BEGIN -----',
      ),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            pemDecode(text)
          } catch (error) {
            expect(error).toBeInstanceOf(PkiError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})
