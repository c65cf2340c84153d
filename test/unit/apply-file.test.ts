import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { readFile } from '../../src/core/apply/applyFile.ts'
import { Failure } from '../../src/core/failure.ts'

describe('a file to be applied', () => {
  test('of any text is read or refused', () => {
    const marks = fc.array(
      fc.constantFrom(
        '- ',
        'a',
        ': ',
        '[',
        ']',
        '{',
        '}',
        '\n',
        '  ',
        '&x ',
        '*x',
        '|',
        '"',
        '#',
        '? ',
        '<<: ',
        '!!js ',
        '\t',
      ),
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          marks.map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            readFile(text)
          } catch (error) {
            if (!(error instanceof Failure)) throw error
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test.each(['<<: 1', 'a: &x [1]\n<<: *x', 'a: &x {b: 1}\n<<: [*x, 2]'])('asks in vain for YAML 1.1: %j', (text) => {
    expect(() => readFile(`%YAML 1.1\n---\n${text}\n`)).toThrow(Failure)
  })

  test('says what it says in YAML as in JSON', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (value) => {
        const plain = JSON.parse(JSON.stringify(value))
        expect(readFile(JSON.stringify(plain)).document).toEqual(plain)
        expect(readFile(stringify(plain)).document).toEqual(plain)
      }),
      { numRuns: 100 },
    )
  })

  test('knows the line of a path, or of what is around it', () => {
    const { lineOf } = readFile('a:\n  - b: 1\n  - b:\n      c: 2\n')
    expect([['a', 1, 'b', 'c'], ['a', 1, 'none'], ['a', 7], []].map(lineOf)).toEqual([4, 3, 2, 1])
    expect(readFile('{"a": 1}').lineOf(['a'])).toBeUndefined()
  })
})
