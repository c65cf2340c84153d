import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { verbsOf } from '../../src/cli/nouns.ts'
import { RUNS, type VerbRun } from './noteRun.ts'
import { missingRuns, wholeProgram } from './verbRuns.ts'

/**
 * Holds that every verb of the command line ran as a process: the helpers write down each run and how it ended, and when the
 * whole project has run, a verb without one fails it. A run of single files looks at nothing.
 */
export function setup(project: TestProject): () => Promise<void> {
  const file = join(mkdtempSync(join(tmpdir(), 'countersign-verbs-')), 'runs.jsonl')
  process.env[RUNS] = file
  return async () => {
    delete process.env[RUNS]
    const runs = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
    rmSync(dirname(file), { recursive: true })
    if (!(await ranWhole(project))) return
    const program = await wholeProgram()
    const verbs = program.commands.flatMap((noun) => verbsOf(noun)).map(({ path }) => path)
    const missing = missingRuns(
      program,
      verbs,
      runs.map((line) => JSON.parse(line) as VerbRun),
    )
    if (missing.length === 0) {
      console.log(`all ${verbs.length} verbs of the command line ran as processes, well and refused`)
      return
    }
    console.error(`verbs of the command line without a process test:\n${missing.join('\n')}`)
    process.exitCode = 1
  }
}

async function ranWhole(project: TestProject): Promise<boolean> {
  const { vitest } = project
  if (vitest.getGlobalTestNamePattern() !== undefined) return false
  const ran = vitest.state.getTestModules().filter((module) => module.project === project)
  return ran.length >= (await project.globTestFiles()).testFiles.length
}
