import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extensions } from './extensions.ts'
import { namedTests, prove, row, type TestResults } from './proof.ts'
import type { Specification } from './requirement.ts'
import { rfc8555 } from './rfc8555.ts'
import { writtenTests } from './testTitles.ts'

/**
 * Writes the conformance tables of docs/protocols/acme.md: runs the tests that its requirements name, or takes the results that
 * `vitest run --reporter=json` has written into the file given.
 */
const PAGE = 'docs/protocols/acme.md'
const [BEGIN, END] = ['<!-- conformance: npm run docs:conformance -->', '<!-- end of conformance -->']
const specifications: Specification[] = [{ name: 'RFC 8555', requirements: rfc8555 }, ...extensions]

const written = ['unit', 'core', 'protocols', 'flows'].flatMap((project) => writtenTests(`test/${project}`))
const patterns = [
  ...new Set(specifications.flatMap(({ requirements }) => requirements.flatMap(([, , ...tests]) => tests))),
]
const [given] = process.argv.slice(2)
const results = given === undefined ? run() : read(given)
const proofs = patterns.map((pattern) => prove(written, pattern, results))
const tables = specifications.map(({ name, requirements }) => {
  const rows = requirements.map((requirement) => row(requirement, proofs))
  return [`### ${name}`, '', '| section | requirement | tests (cases) | |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  )
})
const page = readFileSync(PAGE, 'utf8')
const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)]
if (before < 0 || after < before) throw new Error(`${PAGE} has no place for the tables`)
writeFileSync(PAGE, `${page.slice(0, before)}${BEGIN}\n\n${tables.join('\n\n')}\n\n${page.slice(after)}`)
const red = tables.join('\n').match(/\*\*RED\*\*/g)?.length ?? 0
process.stdout.write(`${PAGE}: ${specifications.flatMap(({ requirements }) => requirements).length} rows, ${red} red\n`)
process.exitCode = red === 0 ? 0 : 1

/** A test that fails makes a red row, and not an end of this. */
function run(): TestResults {
  const files = new Set(patterns.flatMap((pattern) => namedTests(written, pattern).map(({ file }) => file)))
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
  try {
    const output = join(folder, 'results.json')
    const args = ['node_modules/vitest/vitest.mjs', 'run', ...files, '--reporter=json', `--outputFile=${output}`]
    try {
      execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    } catch {
      process.stderr.write('not all tests passed\n')
    }
    return read(output)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function read(file: string): TestResults {
  return JSON.parse(readFileSync(file, 'utf8')) as TestResults
}
