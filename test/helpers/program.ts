import { type ChildProcess, spawn } from 'node:child_process'
import { noteRun } from './noteRun.ts'

export interface Ended {
  /** Null when a signal ended it. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface ProgramOptions {
  cwd?: string
  /** Beside those of this process; undefined takes one away. */
  env?: Record<string, string | undefined>
  /** For its standard input. */
  input?: string
  /** Milliseconds after which it is killed. */
  timeout?: number
}

export interface RunningProgram {
  child: ChildProcess
  /** What it has written so far. */
  output(): { stdout: string; stderr: string }
  /** Resolves when it has ended and all that it wrote is read; rejects when it cannot start or takes too long. */
  ended: Promise<Ended>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a program without a shell. It outlives neither its timeout nor this process. */
export function start(program: string, args: readonly string[], options: ProgramOptions = {}): RunningProgram {
  const { cwd, env = {}, input, timeout = 120_000 } = options
  const variables = Object.entries({ ...process.env, ...env }).filter(([, value]) => value !== undefined)
  const child = spawn(program, args, { cwd, env: Object.fromEntries(variables), stdio: 'pipe' })
  const text = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk))
  // A program that reads nothing may have ended before it was told anything.
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  running.add(child)
  const ended = new Promise<Ended>((resolve, reject) => {
    const said = () => `${program} ${args.join(' ')}\n${text.stdout}${text.stderr}`
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`after ${timeout} ms still running: ${said()}`))
    }, timeout)
    child.once('error', (error) => {
      running.delete(child)
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      noteRun(args, { code, terminal: false })
      resolve({ code, signal, ...text })
    })
  })
  // Whoever waits sees it; until somebody does it is no unhandled rejection.
  ended.catch(() => {})
  return { child, output: () => ({ ...text }), ended }
}

/** Runs a program to its end. */
export function run(program: string, args: readonly string[], options: ProgramOptions = {}): Promise<Ended> {
  return start(program, args, options).ended
}

/** As run, and throws with all that was written unless it ended well. Gives what it printed. */
export async function succeed(program: string, args: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await run(program, args, options)
  if (code === 0) return stdout
  throw new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}:\n${stdout}${stderr}`)
}
