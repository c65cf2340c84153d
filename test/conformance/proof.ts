import type { Requirement } from './requirement.ts'
import type { WrittenTest } from './testTitles.ts'

/** As vitest's JSON reporter writes it, the part that we read. */
export interface TestResults {
  testResults: {
    name: string
    assertionResults: { ancestorTitles: string[]; title: string; status: string }[]
  }[]
}

export interface Proof {
  pattern: string
  tests: WrittenTest[]
  /** Of all cases of these tests: how many have run, and what became of those that did not pass. */
  passed: number
  faults: string[]
}

/** The tests that a pattern of a requirement names: `file: part of the titles`. */
export function namedTests(written: readonly WrittenTest[], pattern: string): WrittenTest[] {
  const colon = pattern.indexOf(': ')
  const [stem, part] = [pattern.slice(0, colon), pattern.slice(colon + 2)]
  return written.filter((test) => test.stem === stem && test.titles.join(' ').includes(part))
}

export function prove(written: readonly WrittenTest[], pattern: string, results: TestResults): Proof {
  const tests = namedTests(written, pattern)
  const proof: Proof = { pattern, tests, passed: 0, faults: tests.length === 0 ? ['no such test'] : [] }
  for (const test of tests) {
    const statuses = casesOf(test, results)
    if (statuses.length === 0) proof.faults.push('not run')
    for (const status of statuses) {
      if (status === 'passed') proof.passed++
      else proof.faults.push(status)
    }
  }
  return proof
}

function casesOf({ file, titles }: WrittenTest, { testResults }: TestResults): string[] {
  const own = titleExpression(titles.at(-1) ?? '')
  const around = titles.slice(0, -1).map(titleExpression)
  return testResults
    .filter(({ name }) => name.replaceAll('\\', '/').endsWith(`/${file}`))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ title, ancestorTitles }) => {
      const blocks = around.length === 0 ? [] : ancestorTitles.slice(-around.length)
      return own.test(title) && around.every((expression, at) => expression.test(blocks[at] ?? ''))
    })
    .map(({ status }) => status)
}

/** A title as written, with the placeholders of `each`, as an expression for titles as they ran. */
function titleExpression(title: string): RegExp {
  const parts = title
    .split(/%[sdifjoOc#$]|\$[A-Za-z_][\w.]*/)
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('[\\s\\S]*')}$`)
}

/** A row of the page. Red: anything that was not proved. */
export function row([section, requirement, ...patterns]: Requirement, proofs: readonly Proof[]): string {
  const shown = patterns.map((pattern) => {
    const proof = proofs.find((each) => each.pattern === pattern)
    return proof ? show(proof) : pattern
  })
  const faults = proofs.filter(({ pattern }) => patterns.includes(pattern)).flatMap((proof) => proof.faults)
  const counted = [...new Set(faults)].map((fault) => `${faults.filter((each) => each === fault).length} ${fault}`)
  const state = faults.length === 0 ? 'proved' : `**RED**: ${counted.join(', ')}`
  return `${rowStart([section, requirement])} ${shown.map(cell).join('<br>')} | ${state} |`
}

/** By which the page's row of a requirement is known. */
export function rowStart([section, requirement]: Requirement): string {
  return `| ${section} | ${cell(requirement)} |`
}

function show({ pattern, tests, passed }: Proof): string {
  const [test] = tests
  if (!test || tests.length > 1) return `${pattern} … (${passed})`
  return `${test.stem}: ${test.titles.at(-1)}${passed > 1 ? ` (${passed})` : ''}`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}
