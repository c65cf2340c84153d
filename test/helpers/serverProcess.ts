import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ensureBundle, root } from './bundle.ts'
import { freePorts } from './ports.ts'
import { type Ended, type ProgramOptions, type RunningProgram, run, start } from './program.ts'
import { databaseFolder } from './scratch.ts'

export interface ServerOptions {
  /** Absent: SQLite in the data folder. */
  databaseUrl?: string
  /** Folder of another version's bundle; absent: dist. */
  bundle?: string
  /** Further settings. COUNTERSIGN_RESOLVER and the like. */
  env?: Record<string, string>
}

export interface CliOptions {
  /** Text of a user's token. */
  token?: string
  /** For its standard input. */
  input?: string
  timeout?: number
}

/** The real server as a process of its own, with ports and a data folder of its own. */
export interface ServerProcess {
  /** https, without a trailing slash. */
  baseUrl: string
  mtlsBaseUrl: string
  /** Plain http. */
  httpUrl: string
  /** Of the default profile. */
  directory: string
  http01Port: number
  tlsAlpn01Port: number
  /** Path of the root's certificate. */
  rootPem: string
  /** Where the process runs. */
  workFolder: string
  /** Everything that it wrote is below it. */
  dataFolder: string
  /** The administrator's one-time secret, from the first start. */
  setupSecret: string
  pid: number
  output(): { stdout: string; stderr: string }
  /** Runs `node dist/cli.js` beside it. */
  cli(args: readonly string[], options?: CliOptions): Promise<Ended>
  /** Ends the process and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<Ended>
  /** Another process of the server with the same settings but these, on ports of its own, which nobody waits for. */
  another(env?: Record<string, string>): RunningProgram
  /** Starts it again on the same ports and data, after kill(). */
  restart(env?: Record<string, string>): Promise<void>
  /** Stops it and removes its folders. */
  stop(): Promise<void>
}

const READY_WITHIN = 30_000
const ENDED_WITHIN = 30_000
/** No test runs longer; a server never outlives its test by more. */
const LIFETIME = 3_600_000

export async function startServer({
  databaseUrl,
  bundle = join(root, 'dist'),
  env = {},
}: ServerOptions = {}): Promise<ServerProcess> {
  await ensureBundle()
  const workFolder = mkdtempSync(join(tmpdir(), 'countersign-server-'))
  const databases = databaseFolder('countersign-data-')
  const dataFolder = join(databases, 'data')
  const remove = () => {
    for (const folder of [workFolder, databases]) rmSync(folder, { recursive: true, force: true })
  }
  const [free = 0, mtls = 0, http = 0, http01 = 0, tlsAlpn01 = 0] = await freePorts(5)
  // What a provider elsewhere has to know beforehand.
  const https = Number(env.COUNTERSIGN_HTTPS_PORT ?? free)
  const settings = {
    ...withoutSettings(),
    COUNTERSIGN_DATA: dataFolder,
    COUNTERSIGN_HTTPS_PORT: String(https),
    COUNTERSIGN_MTLS_PORT: String(mtls),
    COUNTERSIGN_HTTP_PORT: String(http),
    COUNTERSIGN_HTTP01_PORT: String(http01),
    COUNTERSIGN_TLSALPN01_PORT: String(tlsAlpn01),
    DATABASE_URL: databaseUrl,
    ...env,
  }
  const launch = async (more: Record<string, string> = {}) => {
    const args = [join(bundle, 'main.js')]
    const program = start(process.execPath, args, { cwd: workFolder, env: { ...settings, ...more }, timeout: LIFETIME })
    await ready(program, http)
    return program
  }
  let program: RunningProgram
  try {
    program = await launch()
  } catch (error) {
    remove()
    throw error
  }
  const end = async (signal: NodeJS.Signals) => {
    const { child, ended } = program
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), ENDED_WITHIN)
    return ended.finally(() => clearTimeout(late))
  }
  const { stdout } = program.output()
  const baseUrl = `https://localhost:${https}`
  return {
    baseUrl,
    mtlsBaseUrl: `https://localhost:${mtls}`,
    httpUrl: `http://localhost:${http}`,
    directory: `${baseUrl}/acme/default/directory`,
    http01Port: http01,
    tlsAlpn01Port: tlsAlpn01,
    rootPem: join(dataFolder, 'root.pem'),
    workFolder,
    dataFolder,
    setupSecret: /asks for the setup link: {2}(\S+)/.exec(stdout)?.[1] ?? '',
    get pid() {
      return program.child.pid ?? 0
    },
    output: () => program.output(),
    cli: (args, { token, ...options } = {}) =>
      runCli([join(bundle, 'cli.js'), ...args], {
        ...options,
        cwd: workFolder,
        env: { ...settings, COUNTERSIGN_TOKEN: token },
      }),
    kill: end,
    another(more = {}) {
      const ports = { COUNTERSIGN_HTTPS_PORT: '0', COUNTERSIGN_MTLS_PORT: '0', COUNTERSIGN_HTTP_PORT: '0' }
      const env = { ...settings, ...ports, ...more }
      return start(process.execPath, [join(bundle, 'main.js')], { cwd: workFolder, env, timeout: 60_000 })
    },
    async restart(more = {}) {
      program = await launch(more)
    },
    async stop() {
      if (program.child.exitCode === null && program.child.signalCode === null) await end('SIGTERM')
      remove()
    },
  }
}

function runCli(args: readonly string[], options: ProgramOptions): Promise<Ended> {
  return run(process.execPath, args, { timeout: 60_000, ...options })
}

/** Settings of whoever runs the tests do not count. */
function withoutSettings(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => name.startsWith('COUNTERSIGN_'))
  return Object.fromEntries(names.map((name) => [name, undefined]))
}

/** Until /readyz says that it can issue. */
async function ready(program: RunningProgram, port: number): Promise<void> {
  const until = Date.now() + READY_WITHIN
  const told = () => `${program.output().stdout}${program.output().stderr}`
  for (;;) {
    if (program.child.exitCode !== null || program.child.signalCode !== null) {
      await program.ended
      throw new Error(`the server ended at its start:\n${told()}`)
    }
    if ((await statusOf(port)) === 200 && program.output().stdout.includes('ACME directory')) return
    if (Date.now() > until) {
      program.child.kill('SIGKILL')
      await program.ended
      throw new Error(`the server was not ready after ${READY_WITHIN} ms:\n${told()}`)
    }
    await delay(50)
  }
}

function statusOf(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path: '/readyz', agent: false, timeout: 5_000 }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode))
    })
    asked.once('timeout', () => asked.destroy())
    asked.once('error', () => resolve(undefined))
    asked.end()
  })
}
