import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { readAttributes } from '../../src/core/inventory/customAttribute.ts'
import { failure } from '../helpers/people.ts'

const attribute = (name: string, data: unknown, contentType = 'string') => ({ name, contentType, content: [{ data }] })

describe('attributes', () => {
  test.each([
    ['string', 'a'],
    ['text', 'a\nb'],
    ['integer', -7],
    ['float', 0.5],
    ['boolean', false],
    ['date', '2028-02-29'],
    ['time', '23:59:59'],
    ['datetime', '2027-02-28T23:59:59.123+02:00'],
    ['file', { content: 'AA==', fileName: 'a', mimeType: 'text/plain' }],
    ['codeblock', { language: 'sh', code: 'ZWNobw==' }],
    ['object', { a: ['b', null, '\u0000'] }],
    ['resource', { uuid: '019a0000-0000-7000-8000-000000000001', name: 'x' }],
  ])('of the type %s', (type, data) => {
    expect(readAttributes([attribute('x', data, type)])).toEqual([attribute('x', data, type)])
  })

  test.each<[string, unknown, RegExp]>([
    ['no list', { name: 'x' }, /attributes/],
    ['one without a type', [{ name: 'x', content: [] }], /0\.contentType/],
    ['a secret', [attribute('x', { secret: 'y' }, 'secret')], /a secret is kept with nothing that people read/],
    ['one name twice', [attribute('x', 'a'), attribute('x', 'b')], /twice/],
    ['too many', Array.from({ length: 101 }, (_, n) => attribute(`x${n}`, 'a')), /at most 100/],
    ['a number for a text', [attribute('x', 5)], /no string/],
    ['a fraction for an integer', [attribute('x', 0.5, 'integer')], /no integer/],
    ['a day that is none', [attribute('x', '2027-02-30', 'date')], /no date/],
    ['an hour that is none', [attribute('x', '24:00', 'time')], /no time/],
    ['a moment without a zone', [attribute('x', '2027-02-28T00:00:00', 'datetime')], /no datetime/],
    ['a file without a name', [attribute('x', { content: 'AA==' }, 'file')], /no file/],
    ['a control character in a name', [attribute('x\u0000', 'a')], /control/],
    ['a member that nobody knows', [{ ...attribute('x', 'a'), more: 1 }], /attributes/],
  ])('attributes are refused: %s', (_, given, why) => {
    expect(() => readAttributes(given)).toThrow(expect.objectContaining(failure('malformed', why)))
  })

  test('are refused when they are too large, or nested too deep', () => {
    const large = [attribute('x', 'ä'.repeat(32_800))]
    expect(() => readAttributes(large)).toThrow(expect.objectContaining(failure('tooLarge')))
    let deep: unknown = 1
    for (let depth = 0; depth < 100_000; depth++) deep = [deep]
    const nested = [attribute('x', deep, 'object')]
    expect(() => readAttributes(nested)).toThrow(expect.objectContaining(failure('malformed', /nested deeper/)))
  })

  test('whatever is given: they are read, or refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.array(
            fc.record({
              name: fc.string(),
              contentType: fc.string(),
              content: fc.array(fc.record({ data: fc.jsonValue() })),
            }),
          ),
        ),
        (given) => {
          try {
            readAttributes(given)
          } catch (error) {
            expect(error).toBeInstanceOf(Failure)
          }
        },
      ),
    )
  })
})
