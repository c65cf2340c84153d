import fc from 'fast-check'
import { expect, it } from 'vitest'
import { csvLine } from '../../src/core/listing/csv.ts'

/** A reader of RFC 4180, of one line. */
function read(line: string): string[] {
  const cells: string[] = []
  let at = 0
  for (;;) {
    let cell = ''
    if (line[at] === '"') {
      for (at++; ; at++) {
        if (line[at] !== '"') cell += line[at]
        else if (line[at + 1] === '"') cell += line[at++]
        else break
      }
      at++
    } else while (line[at] !== ',' && line[at] !== '\r') cell += line[at++]
    cells.push(cell)
    if (line[at] === '\r') {
      expect(line.slice(at)).toBe('\r\n')
      return cells
    }
    at++
  }
}

it.each([
  ['plain', 'plain'],
  ['a,b', '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  ['two\r\nlines', '"two\r\nlines"'],
  ['=cmd|calc!A1', "'=cmd|calc!A1"],
  ['+49', "'+49"],
  ['-1+1', "'-1+1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\tx', "'\tx"],
  ['\rx', '"\'\rx"'],
  ['=a,"b', '"\'=a,""b"'],
  ['＝1', "'＝1"],
  ['a\0b\u001b', 'a\ufffdb\ufffd'],
  ['a=b', 'a=b'],
  ['', ''],
])('writes %j as %j', (given, written) => {
  expect(csvLine([given])).toBe(`${written}\r\n`)
})

it('writes numbers, dates, lists and nothing', () => {
  expect(csvLine([-3, new Date(0), ['b.test', 'a.test'], null, ['=x', 'y']])).toBe(
    "-3,1970-01-01T00:00:00.000Z,b.test a.test,,'=x y\r\n",
  )
})

it('what is written reads back, and no text begins as a formula does', () => {
  const cell = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[=+@\t\r-].{0,5}$/),
    fc.stringMatching(/^[",\r\n]{0,6}$/),
  )
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 6 }), (cells) => {
      const back = read(csvLine(cells))
      expect(back).toHaveLength(cells.length)
      for (const [at, text] of back.entries()) {
        expect(text).not.toMatch(/^[=+\-@\t\r]/)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: what is replaced
        const clean = (cells[at] ?? '').replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f\p{Cs}]/gu, '\ufffd')
        expect(text === clean || text === `'${clean}`).toBe(true)
      }
    }),
  )
})
