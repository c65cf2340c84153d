import { appendFileSync } from 'node:fs'

/** One run of the bundled command line, as the tests had it. */
export interface VerbRun {
  /** All that was written after `countersign`. */
  words: string[]
  code: number | null
  /** At a pseudo-terminal. */
  terminal: boolean
}

/** Where the runs of a whole test run are written down (everyVerb.ts); absent: nowhere. */
export const RUNS = 'VERB_RUNS_FILE'

/** Writes down what a process of a test was and how it ended, where it was the command line. */
export function noteRun(line: readonly string[], end: Omit<VerbRun, 'words'>): void {
  const file = process.env[RUNS]
  const at = line.findIndex((word) => word.endsWith('/dist/cli.js'))
  if (!file || at < 0) return
  appendFileSync(file, `${JSON.stringify({ words: line.slice(at + 1), ...end } satisfies VerbRun)}\n`)
}
