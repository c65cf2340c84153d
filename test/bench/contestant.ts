import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Usage } from './usage.ts'

/** A process of a server. */
interface Node {
  pid: number
  /** Where it listens: https, without a trailing slash. */
  baseUrl: string
}

/** An ACME server. */
export interface Contestant {
  name: string
  /** One, or several that are one server: each takes any request. */
  nodes: Node[]
  directory: string
  /** PEM of the root that the server's certificate leads to. */
  ca: string
  /** SQL statements and commits since the start, where the server counts them. */
  database(): Promise<{ statements: number; commits: number } | undefined>
  /** What PostgreSQL has used, where the server has one to itself. */
  postgres?(): Usage
  stop(): Promise<void>
}

/** A program that runs. */
interface Program {
  pid: number
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
  /** Milliseconds between two looks; 50 by default. */
  every?: number
}

const READY_WITHIN = 60_000
const ENDED_WITHIN = 60_000

/** Starts a program whose output goes to a file, as to a journal: reading it would cost the bench time. */
export async function launch({ program, args, cwd, env, ready, every = 50 }: Launch): Promise<Program> {
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
  await untilReady(child, ready, every).catch((cause: unknown) => {
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

async function untilReady(child: ChildProcess, ready: () => Promise<boolean>, every: number): Promise<void> {
  let failed: Error | undefined
  child.once('error', (error) => {
    failed = error
  })
  for (const until = Date.now() + READY_WITHIN; ; ) {
    if (failed) throw failed
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it has ended')
    if (await ready().catch(() => false)) return
    if (Date.now() > until) throw new Error(`not ready after ${READY_WITHIN} ms`)
    await delay(every)
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
