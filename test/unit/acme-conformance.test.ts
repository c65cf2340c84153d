import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { extensions } from '../conformance/extensions.ts'
import { namedTests, prove, row, rowStart } from '../conformance/proof.ts'
import { rfc8555 } from '../conformance/rfc8555.ts'
import { readTests, writtenTests } from '../conformance/testTitles.ts'

const written = ['unit', 'core', 'protocols', 'flows'].flatMap((project) => writtenTests(`test/${project}`))
const requirements = [...rfc8555, ...extensions.flatMap((specification) => specification.requirements)]

describe('the conformance of ACME', () => {
  it.each(requirements)('%s, %s: every test that is to prove it is there', (_section, _requirement, ...patterns) => {
    expect(patterns.length).toBeGreaterThan(0)
    for (const pattern of patterns) {
      const tests = namedTests(written, pattern)
      expect(tests, pattern).not.toEqual([])
      expect(tests.filter(({ skipped }) => skipped)).toEqual([])
    }
  })

  it('stands on the page of the protocol, with no row that is red', () => {
    const page = readFileSync('docs/protocols/acme.md', 'utf8')
    const missing = requirements.filter((requirement) => !page.includes(rowStart(requirement)))
    expect(missing, 'npm run docs:conformance').toEqual([])
    expect(page).not.toContain('**RED**')
  })

  it('has a test for each number of the list of what clients depend on', () => {
    const titles = written.flatMap((test) => test.titles)
    const numbers = titles.flatMap((title) =>
      [...title.matchAll(/\bwire (\d+(?:(?:, | and )\d+)*)/g)].flatMap((match) => (match[1] ?? '').split(/, | and /)),
    )
    const missing = Array.from({ length: 54 }, (_, at) => String(at + 1)).filter((number) => !numbers.includes(number))
    expect(missing).toEqual([])
  })
})

describe('tests as they are written', () => {
  const source = `
describe.each(list)('outer on $name', () => {
  it('one', () => {})
  it.each([
    ['a (', /'\\)/, \`)\`], // ' (
    "it's",
  ])(
    'two %s, ‘it\\'s’',
    () => {},
  )
  describe("inner", () => {
    test.skip('three', () => {})
  })
  it.each<[string, (at: number) => Promise<void>]>([['a', async () => {}]])('four', () => {})
})
function shared() {
  it('five', () => {})
}
  it.status.ask('not a test')
`

  it('are found with what stands around them', () => {
    expect(readTests('test/unit/some.test.ts', source).map(({ titles, skipped }) => [...titles, skipped])).toEqual([
      ['outer on $name', 'one', false],
      ['outer on $name', "two %s, ‘it's’", false],
      ['outer on $name', 'inner', 'three', true],
      ['outer on $name', 'four', false],
      ['five', false],
    ])
  })

  it('are proved by all their cases, and by nothing that did not pass', () => {
    const tests = readTests('test/unit/some.test.ts', source)
    const result = (ancestorTitles: string[], title: string, status: string) => ({ ancestorTitles, title, status })
    const outer = ['outer on sqlite']
    const results = (status: string) => ({
      testResults: [
        {
          name: '/anywhere/test/unit/some.test.ts',
          assertionResults: [
            result(outer, "two a (, ‘it's’", 'passed'),
            result(outer, "two b, ‘it's’", status),
            result(['outer on postgres'], 'one', 'passed'),
            result(['elsewhere'], 'one', 'failed'),
          ],
        },
      ],
    })
    expect(prove(tests, 'some: two %s', results('passed'))).toMatchObject({ passed: 2, faults: [] })
    expect(prove(tests, 'some: two %s', results('skipped'))).toMatchObject({ passed: 1, faults: ['skipped'] })
    expect(prove(tests, 'some: one', results('passed'))).toMatchObject({ passed: 1, faults: [] })
    expect(prove(tests, 'some: four', results('passed'))).toMatchObject({ passed: 0, faults: ['not run'] })
    expect(prove(tests, 'some: six', results('passed'))).toMatchObject({ passed: 0, faults: ['no such test'] })
    const requirement = ['1', 'a | b', 'some: two %s', 'some: four'] as const
    const proofs = ['some: two %s', 'some: four'].map((pattern) => prove(tests, pattern, results('passed')))
    expect(row(requirement, proofs)).toBe(
      "| 1 | a \\| b | some: two %s, ‘it's’ (2)<br>some: four | **RED**: 1 not run |",
    )
  })
})
