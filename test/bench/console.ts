// npm run bench:console: every page of the web console over a million certificates and a hundred thousand requests. See docs/performance.md.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { root } from '../helpers/bundle.ts'
import { type Case, casesOf, findThings, forgotten } from './consolePages.ts'
import { type ConsoleServer, startConsoleServer } from './consoleServer.ts'
import { type ConsoleVisitor, consoleVisitor } from './consoleVisitor.ts'
import { FIRST } from './listsFill.ts'
import { startBenchCluster } from './ocspServers.ts'
import { usageOf } from './usage.ts'

const { values: flags } = parseArgs({
  options: {
    certificates: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '200' },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
    postgres: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** Filled once and kept, and used again when it is there. */
    folder: { type: 'string' },
    /** By name, a regular expression. */
    only: { type: 'string', default: '' },
  },
})

/** Milliseconds, and octets of one answer. */
interface Line {
  name: string
  cold: number
  p50: number
  p99: number
  /** Of the server, all threads, for one answer. */
  cpu: number
  pause: number
  octets: number
}

async function measured({ name, path }: Case, { pause, pid }: ConsoleServer, visitor: ConsoleVisitor): Promise<Line> {
  const address = `/console${path}`
  await pause()
  const { status, text, octets, ms: cold } = await visitor.get(address)
  if (status !== 200 && status !== 303)
    throw new Error(`${name}: GET ${address} answered ${status}\n${text.slice(0, 3000)}`)
  const rounds = cold > 1000 ? 10 : Number(flags.rounds)
  const taken: number[] = []
  const before = usageOf(pid)
  for (let n = 0; n < rounds; n++) taken.push((await visitor.get(address)).ms)
  const after = usageOf(pid)
  const cpu = (after.user + after.system - before.user - before.system) / rounds
  taken.sort((a, b) => a - b)
  const at = (share: number) => taken[Math.min(rounds - 1, Math.ceil(rounds * share) - 1)] ?? Number.NaN
  const line = { name, cold, p50: at(0.5), p99: at(0.99), cpu, pause: await pause(), octets }
  process.stderr.write(`${name}: ${line.p50.toFixed(1)} / ${line.p99.toFixed(1)} ms, CPU ${cpu.toFixed(1)}\n`)
  return line
}

/** Octets of what a browser fetches that has never been there: the page, and each file that it names. */
async function firstVisit(
  visitor: ConsoleVisitor,
  path: string,
): Promise<{ name: string; page: number; files: number }> {
  const { text, octets } = await visitor.get(path)
  const files = new Set([...text.matchAll(/(?:href|src)="(\/console\/assets\/[^"]+)"/g)].map(([, url = '']) => url))
  let sum = 0
  for (const file of files) sum += (await visitor.get(file)).octets
  return { name: path, page: octets, files: sum }
}

function table(lines: Line[]): string {
  const ms = (value: number) => value.toFixed(1)
  const rows = lines.map(({ name, cold, p50, p99, cpu, pause, octets }) =>
    [name, ms(cold), ms(p50), ms(p99), ms(cpu), ms(pause), ms(octets / 1024)].join(' | '),
  )
  const head = [
    'page | first ms | p50 ms | p99 ms | CPU ms | longest pause ms | KiB',
    '--- | ---: | ---: | ---: | ---: | ---: | ---:',
  ]
  return [...head, ...rows].map((row) => `| ${row} |\n`).join('')
}

/** What the server does by itself after a start, such as counting, is no cost of a page. */
async function quiet({ pid }: ConsoleServer): Promise<void> {
  for (const until = Date.now() + 300_000; Date.now() < until; ) {
    const before = usageOf(pid)
    await delay(3_000)
    const after = usageOf(pid)
    if (after.user + after.system - before.user - before.system < 200) return
  }
  throw new Error('the server has not come to rest in five minutes')
}

async function run(server: ConsoleServer): Promise<void> {
  await quiet(server)
  const visitor = consoleVisitor(server.port, server.ca)
  const visits = [await firstVisit(visitor, '/console/login')]
  const { status } = await visitor.post('/console/login', '/console/login', {
    username: 'admin',
    password: server.password,
  })
  if (status !== 303) throw new Error(`signing in was answered with ${status}`)
  const certificates = Number(flags.certificates)
  const things = await findThings(visitor, {
    waiting: server.waiting[100] ?? '',
    issued: server.issued[0] ?? '',
    alertSubject: FIRST + Math.floor(certificates / 2),
    lastPage: Math.floor(certificates / 50),
  })
  const cases = casesOf(things)
  const left = forgotten(cases)
  if (left.length > 0) throw new Error(`pages that nothing here asks for: ${left.join(', ')}`)
  const only = new RegExp(flags.only)
  const lines: Line[] = []
  for (const one of cases) if (only.test(one.name)) lines.push(await measured(one, server, visitor))
  for (const path of ['', '/certificates', '/requests/sign?mine=1', `/certificates/${things.issued}`])
    visits.push(await firstVisit(visitor, `/console${path}`))
  visitor.leave()
  const load = loadavg().map((value) => value.toFixed(1))
  if (flags.json) process.stdout.write(`${JSON.stringify({ lines, visits, load }, null, 2)}\n`)
  else {
    const late = lines.filter(({ p99 }) => p99 >= 100).map(({ name }) => name)
    process.stdout.write(
      `${table(lines)}\nLoad ${load.join(', ')}. p99 of 100 ms and more: ${late.join('; ') || 'none'}\n\n`,
    )
    for (const { name, page, files } of visits)
      process.stdout.write(
        `${name}: page ${page}, files ${files}, together ${((page + files) / 1024).toFixed(1)} KiB\n`,
      )
  }
}

const folder = flags.folder ?? mkdtempSync(join(tmpdir(), 'countersign-console-'))
const cluster = flags.postgres ? await startBenchCluster() : undefined
let server: ConsoleServer | undefined
try {
  const work = join(folder, 'server')
  mkdirSync(work, { recursive: true })
  const { entry } = flags
  const size = { certificates: Number(flags.certificates), requests: Number(flags.requests) }
  server = await startConsoleServer({ folder: work, entry, ...size, databaseUrl: cluster?.url })
  process.stderr.write('filled\n')
  await run(server)
} finally {
  await server?.stop()
  await cluster?.stop()
  if (flags.folder === undefined) rmSync(folder, { recursive: true, force: true })
}
