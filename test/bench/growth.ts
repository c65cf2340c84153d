// npm run bench:growth: what an issuance, a poll, a revocation, an OCSP answer and a page of a list cost as the database grows. See docs/performance.md.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { root } from '../helpers/bundle.ts'
import { startDnsServer } from '../helpers/dnsServer.ts'
import { freePorts } from '../helpers/ports.ts'
import { type Costs, round, WORKS } from './growthRounds.ts'
import { type Grown, startGrown } from './growthServer.ts'
import { startBenchCluster } from './ocspServers.ts'
import { median } from './report.ts'
import { startResponder } from './responder.ts'
import { peakMemory, restingMemory } from './usage.ts'

const { values: flags } = parseArgs({
  options: {
    /** How many certificates, separated by commas; the first is what the others are compared with. */
    sizes: { type: 'string', default: '10000,1000000' },
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    postgres: { type: 'boolean', default: false },
    /** Where filled databases stay for the next run; else they go. SQLite only. */
    folder: { type: 'string' },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
  },
})

const batch = flags.quick
  ? { issuances: 50, polls: 200, answers: 2_000, pages: 40 }
  : { issuances: 300, polls: 2_000, answers: 20_000, pages: 200 }

const note = (text: string) => process.stderr.write(`${text}\n`)

async function main(): Promise<void> {
  const folder = flags.folder ? resolve(flags.folder) : mkdtempSync(join(tmpdir(), 'countersign-bench-growth-'))
  mkdirSync(folder, { recursive: true })
  const [http01Port = 0] = await freePorts(1)
  const names = await startDnsServer()
  names.set('*.bench.test', { A: ['127.0.0.1'] })
  const responder = await startResponder(http01Port)
  const cluster = flags.postgres ? await startBenchCluster() : undefined
  const servers: Grown[] = []
  try {
    for (const certificates of flags.sizes.split(',').map(Number)) {
      note(`${certificates} certificates`)
      const databaseUrl = cluster && (await createDatabase(cluster.url, `grown_${certificates}`))
      const options = { certificates, entry: resolve(flags.entry), responder, databaseUrl }
      servers.push(await startGrown(options, { folder, resolver: names.address, http01Port }))
    }
    const resting = new Map(servers.map((server) => [server, restingMemory(server.pid)]))
    const costs = new Map<Grown, Costs[]>(servers.map((server) => [server, []]))
    for (const server of servers) {
      note(`warming up ${server.certificates}`)
      for (let n = 0; n < 3; n++) await round(server, responder, batch)
    }
    for (let n = 0; n < Number(flags.rounds); n++) {
      note(`round ${n + 1} of ${flags.rounds}`)
      for (const server of n % 2 ? [...servers].reverse() : servers) {
        const cost = await round(server, responder, batch)
        note(`${server.certificates}: ${JSON.stringify(cost)}`)
        costs.get(server)?.push(cost)
      }
    }
    process.stdout.write(report(costs, resting))
  } finally {
    for (const { stop } of servers) await stop()
    await cluster?.stop()
    responder.close()
    await names.close()
    if (!flags.folder) rmSync(folder, { recursive: true, force: true })
  }
}

async function createDatabase(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  const own = new URL(url)
  own.pathname = `/${name}`
  return own.href
}

/** CPU of the server for each, and its ratio to the first size, round by round; with what it takes more, where a fixed cost is the aim. */
function report(costs: Map<Grown, Costs[]>, resting: Map<Grown, number>): string {
  const [first] = [...costs.values()]
  let text = ''
  for (const [server, rounds] of costs) {
    const memory = `${resting.get(server)?.toFixed(0)} MiB at rest, ${peakMemory(server.pid).toFixed(0)} MiB at most`
    text += `\n${server.certificates} certificates: first answer after ${server.startUp.toFixed(0)} ms, ${memory}\n`
    for (const work of WORKS) {
      const own = rounds.map((cost) => cost[work])
      const ratios = own.map((cost, at) => cost / (first?.[at]?.[work] ?? Number.NaN))
      const more = own.map((cost, at) => (cost - (first?.[at]?.[work] ?? Number.NaN)) * 1000)
      const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
      text += `${work.padEnd(12)} ${median(own).toFixed(3)} ms, ratio ${median(ratios).toFixed(2)} (${spread}), ${median(more).toFixed(0)} µs more\n`
    }
  }
  return text
}

await main()
