import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** An ACME server as a process of its own. */
export interface Contestant {
  name: string
  pid: number
  /** https, without a trailing slash. */
  baseUrl: string
  directory: string
  /** PEM of the root that the server's certificate leads to. */
  ca: string
  /** SQL statements and commits since the start, where the server counts them. */
  database(): Promise<{ statements: number; commits: number } | undefined>
  stop(): Promise<void>
}

/** What the bench offers to all of them. */
export interface Surroundings {
  /** For what they write; removed at the end. */
  folder: string
  /** address:port of the name server. */
  resolver: string
  /** Where challenges are answered, on 127.0.0.1. */
  http01Port: number
}

interface Launch {
  program: string
  args: string[]
  cwd: string
  env: Record<string, string>
  /** Throws, or answers false, until the server takes orders. */
  ready(): Promise<boolean>
}

const READY_WITHIN = 30_000
const ENDED_WITHIN = 20_000

/** Starts a program whose output goes to a file, as to a journal: reading it would cost the bench time. */
export async function launch({ program, args, cwd, env, ready }: Launch): Promise<Pick<Contestant, 'pid' | 'stop'>> {
  const log = join(cwd, 'output.log')
  const file = openSync(log, 'a')
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('COUNTERSIGN_'))
  const child = spawn(program, args, {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', file, file],
  })
  closeSync(file)
  const orphaned = () => child.kill('SIGKILL')
  process.once('exit', orphaned)
  await untilReady(child, ready).catch((cause: unknown) => {
    child.kill('SIGKILL')
    throw new Error(`${program} does not serve:\n${readFileSync(log, 'utf8').slice(-5_000)}`, { cause })
  })
  return {
    pid: child.pid ?? 0,
    async stop() {
      process.off('exit', orphaned)
      await end(child)
    },
  }
}

async function untilReady(child: ChildProcess, ready: () => Promise<boolean>): Promise<void> {
  let failed: Error | undefined
  child.once('error', (error) => {
    failed = error
  })
  for (const until = Date.now() + READY_WITHIN; ; ) {
    if (failed) throw failed
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it has ended')
    if (await ready().catch(() => false)) return
    if (Date.now() > until) throw new Error(`not ready after ${READY_WITHIN} ms`)
    await delay(50)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), ENDED_WITHIN)
  await ended
  clearTimeout(late)
}
