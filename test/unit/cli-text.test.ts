import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fields, lengthText, several, table, time } from '../../src/cli/table.ts'
import { visible, visibleJson } from '../../src/cli/visible.ts'

/** What could move the cursor, hide or reverse text, or begin a line. */
const acting = /[\p{Cc}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u
const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\u001b', '\u009b', '\r', '\n', '\u202e', '\u2028', '\u0000'),
    fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
  ),
})

describe('text from strangers', () => {
  test.each([
    ['\u001b[31mred', '\\u001b[31mred'],
    ['two\nlines', 'two\\u000alines'],
    ['\u202egpj.exe', '\\u202egpj.exe'],
    ['bücher.example', 'bücher.example'],
  ])('%j is shown as %j', (text, shown) => {
    expect(visible(text)).toBe(shown)
  })
  test('never acts on a terminal, in cells, in fields, in JSON', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(visible(text)).not.toMatch(acting)
        expect(table(['name'], [[text]]).split('\n')).toHaveLength(3)
        expect(fields([['Name', `x${text}`]]).split('\n')).toHaveLength(2)
        expect(visibleJson([text]).split('\n').join('')).not.toMatch(acting)
      }),
    )
  })
  test('JSON reads back as what it was', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(visibleJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

describe('tables', () => {
  test('are aligned, and end without blanks', () => {
    expect(
      table(
        ['id', 'name'],
        [
          [1, 'short'],
          [100, 'a longer one'],
          [2, null],
        ],
      ),
    ).toBe('ID   NAME\n1    short\n100  a longer one\n2    -\n')
  })
  test('count characters, not their halves', () => {
    expect(
      table(
        ['a', 'b'],
        [
          ['😀', 1],
          ['xy', 2],
        ],
      ),
    ).toBe('A   B\n😀   1\nxy  2\n')
  })
  test('say when there is nothing', () => {
    expect(table(['id'], [])).toBe('none\n')
  })
  test('of one thing leave out what has no value', () => {
    expect(
      fields([
        ['Name', 'x'],
        ['Owner', null],
        ['Names', ['a', 'b']],
        ['Empty', []],
        ['On', false],
      ]),
    ).toBe('Name   x\nNames  a\n       b\nOn     no\n')
  })
})

test('times, lists and lengths of time are short', () => {
  expect(time('2027-03-01T08:00:00.123Z')).toBe('2027-03-01 08:00:00Z')
  expect(time(null)).toBeNull()
  expect(several(['a', 'b', 'c'])).toBe('a, b, c')
  expect(several(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c and 2 more')
  expect([90 * 86_400_000, 5_400_000, 61_000].map(lengthText)).toEqual(['90d', '90m', '61s'])
})
