import { spawn } from 'node:child_process'
import { noteRun } from './noteRun.ts'

/** Of Debian's essential package bsdutils: runs a program on a terminal of its own. */
const pseudoTerminal = 'script'

/** What is typed, or done and then typed, as soon as the terminal shows a text, in this order. */
export type Dialogue = readonly (readonly [prompt: string | RegExp, typed: string | (() => string)])[]

export interface TerminalEnd {
  code: number | null
  /** Everything that the terminal showed: standard output and error, and what was typed with echo on. */
  shown: string
}

/** Runs a program at a pseudo-terminal and types into it. Without what it waits for the test runs out of time. */
export function atTerminal(
  program: readonly string[],
  dialogue: Dialogue,
  { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<TerminalEnd> {
  const line = program.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const child = spawn(pseudoTerminal, ['-qec', line, '/dev/null'], { cwd, env })
  let shown = ''
  let seen = 0
  let at = 0
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk
    for (let step = dialogue[at]; step; step = dialogue[at]) {
      const [prompt, typed] = step
      const rest = shown.slice(seen)
      const found = typeof prompt === 'string' ? rest.indexOf(prompt) : rest.search(prompt)
      if (found < 0) return
      seen = shown.length
      at += 1
      child.stdin.write(typeof typed === 'string' ? typed : typed())
    }
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      noteRun(program, { code, terminal: true })
      resolve({ code, shown })
    })
  })
}
