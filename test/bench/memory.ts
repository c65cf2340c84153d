// npm run bench:memory: whether the server's memory stays flat under a steady, moderate load. See docs/performance.md.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { root } from '../helpers/bundle.ts'
import { startDnsServer } from '../helpers/dnsServer.ts'
import { freePorts } from '../helpers/ports.ts'
import { type Countersign, metricOf, startCountersign } from './countersign.ts'
import { type Done, startLoad } from './memoryLoad.ts'
import { heading, partLine, type Sample, trend } from './memoryReport.ts'
import { startBenchCluster } from './ocspServers.ts'
import { startResponder } from './responder.ts'
import { restingMemory } from './usage.ts'

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    /** Issuances a second in all. */
    rate: { type: 'string', default: '20' },
    clients: { type: 'string', default: '8' },
    postgres: { type: 'boolean', default: false },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
  },
})

const SECONDS = Number(flags.minutes) * 60
const EVERY_SECONDS = 10
const PARTS = 6
const MIB = 1024 * 1024

/** The first signal ends the load, and prints what there is; another ends all at once. */
const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => (ending.signal.aborted ? process.exit(130) : ending.abort()))

async function main(): Promise<void> {
  const stops: (() => unknown)[] = []
  try {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-memory-'))
    stops.push(() => rmSync(folder, { recursive: true, force: true }))
    const [http01Port = 0] = await freePorts(1)
    const names = await startDnsServer()
    stops.push(names.close)
    names.set('*.bench.test', { A: ['127.0.0.1'] })
    const responder = await startResponder(http01Port)
    stops.push(responder.close)
    const cluster = flags.postgres ? await startBenchCluster() : undefined
    if (cluster) stops.push(cluster.stop)
    const around = { folder, resolver: names.address, http01Port }
    const options = {
      name: 'countersign',
      entry: resolve(flags.entry),
      nodeArgs: ['--use-largepages=silent'],
      env: cluster ? { DATABASE_URL: cluster.url } : {},
    }
    const server = await startCountersign(options, around)
    stops.push(server.stop)
    process.stdout.write(`${restingMemory(server.pid).toFixed(1)} MiB before the load\n`)
    const load = await startLoad(server, responder, { clients: Number(flags.clients), rate: Number(flags.rate) })
    stops.push(load.stop)
    await watch(server, load.done).catch((cause: unknown) => {
      const output = readFileSync(join(folder, options.name, 'output.log'), 'utf8')
      throw new Error(`the server's last words:\n${output.slice(-3_000)}`, { cause })
    })
  } catch (error) {
    // The signal may have ended the server as well.
    if (!ending.signal.aborted) throw error
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

/** Prints each part of the time when it is over. */
async function watch(server: Countersign, done: Done): Promise<void> {
  const { signal } = ending
  const all: Sample[] = []
  let part: Sample[] = []
  const start = performance.now()
  const elapsed = () => (performance.now() - start) / 1_000
  process.stdout.write(heading())
  for (let next = EVERY_SECONDS; next <= SECONDS && !signal.aborted; next += EVERY_SECONDS) {
    await delay(Math.max(0, next - elapsed()) * 1_000, undefined, { signal }).catch(() => {})
    if (signal.aborted) break
    const now = await sample(server, done, elapsed())
    all.push(now)
    part.push(now)
    const after = next + EVERY_SECONDS
    if (after <= SECONDS && partOf(after) === partOf(next)) continue
    process.stdout.write(partLine(part))
    part = []
  }
  if (part.length > 0) process.stdout.write(partLine(part))
  process.stdout.write(trend(all))
  if (done.failed > 0) process.stdout.write(`the last that failed: ${String(done.failure)}\n`)
}

/** A moment belongs to the part that it ends. */
const partOf = (seconds: number) => Math.ceil((seconds / SECONDS) * PARTS)

async function sample({ pid, metrics }: Countersign, done: Done, at: number): Promise<Sample> {
  const resident = restingMemory(pid)
  const text = await metrics()
  const of = (name: string) => metricOf(text, name) ?? Number.NaN
  return {
    ...done,
    at,
    resident,
    heap: of('nodejs_heap_size_used_bytes') / MIB,
    external: of('nodejs_external_memory_bytes') / MIB,
    lag: {
      p99: of('nodejs_eventloop_lag_p99_seconds') * 1_000,
      most: of('nodejs_eventloop_lag_max_seconds') * 1_000,
    },
  }
}

await main()
