// npm run bench: complete ACME issuances against this server and, in turn, against another one; then OCSP and SCEP. See docs/performance.md.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../helpers/bundle.ts'
import { startDnsServer } from '../helpers/dnsServer.ts'
import { freePorts } from '../helpers/ports.ts'
import type { Contestant, Surroundings } from './contestant.ts'
import { startCountersign } from './countersign.ts'
import { startFloor } from './floor.ts'
import { startOnPostgres } from './nodes.ts'
import { measureOcsp, type OcspFigure } from './ocspCases.ts'
import { ocspAims, ocspTable } from './ocspReport.ts'
import { startPebble } from './pebble.ts'
import { kept, type Player, renewed } from './player.ts'
import { type Batch, ratioLine, ratios, summarize, table } from './report.ts'
import { type Responder, startResponder } from './responder.ts'
import { measureScep, type ScepLine, scepTable } from './scepRounds.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    /** How many at a time, separated by commas. */
    clients: { type: 'string', default: '1,8,32' },
    quick: { type: 'boolean', default: false },
    /** pebble, floor (a bare server of the same cryptography and commits), or the main.js of another build of this server, `postgres:` before it for one on PostgreSQL; several separated by commas; none. */
    peer: { type: 'string', default: 'floor,pebble' },
    /** This server on PostgreSQL as well, beside itself on SQLite. */
    postgres: { type: 'boolean', default: false },
    /** And so many nodes on one PostgreSQL, beside one node there. */
    nodes: { type: 'string', default: '1' },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
    /** Writes a CPU profile of this server to this folder; what it costs counts as the server's. */
    profile: { type: 'string' },
    /** For node itself, before the entry of either build of this server: what npm start gives, unless told otherwise. */
    'node-args': { type: 'string', default: '--use-largepages=silent' },
    'peer-node-args': { type: 'string', default: '--use-largepages=silent' },
    json: { type: 'boolean', default: false },
    /** What is measured, separated by commas. */
    what: { type: 'string', default: 'acme,ocsp,scep' },
  },
})
const wanted = flags.what.split(',')
const nodeCount = Number(flags.nodes)
const names = {
  own: 'countersign',
  postgres: 'countersign on PostgreSQL',
  nodes: `${nodeCount} nodes on PostgreSQL`,
  other: 'other on PostgreSQL',
}

const WARM_UP = flags.quick ? 500 : 3_000
const CERTIFICATES = flags.quick ? { one: 100, several: 200 } : { one: 300, several: 500 }
const BATCHES = flags.clients.split(',').map((clients) => {
  const concurrency = Number(clients)
  return { concurrency, certificates: concurrency === 1 ? CERTIFICATES.one : CERTIFICATES.several }
})

function note(text: string): void {
  if (!flags.json) process.stderr.write(`${text}\n`)
}

function words(text: string): string[] {
  return text.split(' ').filter(Boolean)
}

async function players(around: Surroundings, responder: Responder): Promise<Player[]> {
  const profiling = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(flags.profile)}`] : []
  const nodeArgs = [...words(flags['node-args']), ...profiling]
  const own = { name: names.own, entry: resolve(flags.entry), nodeArgs }
  const started: Player[] = []
  const add = async (contestant: Contestant) => {
    note(`warming up ${contestant.name}: ${WARM_UP * contestant.nodes.length} certificates`)
    started.push(await kept(contestant, responder, WARM_UP))
  }
  await add(await startCountersign(own, around))
  if (flags.postgres || nodeCount > 1)
    await add(await startOnPostgres({ ...own, name: names.postgres, count: 1 }, around))
  if (nodeCount > 1) await add(await startOnPostgres({ ...own, name: names.nodes, count: nodeCount }, around))
  const peerArgs = words(flags['peer-node-args'])
  for (const peer of flags.peer.split(',')) {
    if (peer === 'pebble') started.push(renewed(() => startPebble(around), responder, 30))
    else if (peer === 'floor') await add(await startFloor(around, peerArgs))
    else if (peer.startsWith('postgres:')) {
      const other = { name: names.other, entry: resolve(peer.slice(9)), nodeArgs: peerArgs, count: 1 }
      await add(await startOnPostgres(other, around))
    } else if (peer !== 'none')
      await add(await startCountersign({ name: 'other', entry: resolve(peer), nodeArgs: peerArgs }, around))
  }
  return started
}

async function rounds(playing: readonly Player[]): Promise<Batch[]> {
  const costs: Batch[] = []
  const count = Number(flags.rounds)
  for (let round = 0; round < count; round++) {
    note(`round ${round + 1} of ${count}`)
    for (const { concurrency, certificates } of BATCHES) {
      // Whoever is first in one round is last in the next.
      const order = round % 2 ? [...playing].reverse() : playing
      for (const player of order) {
        const cost = await player.batch(concurrency, certificates)
        if (!cost) continue
        note(
          `${player.name}, ${concurrency} at a time: ${cost.cpu.toFixed(2)} ms each, ${cost.rate.toFixed(0)} a second`,
        )
        costs.push({ ...cost, round })
      }
    }
  }
  return costs
}

/** A short form of npm run bench:ocsp: no large table, smaller batches. */
async function ocsp(): Promise<OcspFigure[]> {
  note('OCSP')
  const size = flags.quick ? { rounds: 2, answers: 4_000 } : { rounds: Number(flags.rounds), answers: 10_000 }
  return measureOcsp({ ...size, clients: 32, large: 0, entry: flags.entry, postgres: false })
}

/** A short form of npm run bench:scep. */
async function scep(): Promise<ScepLine[]> {
  note('SCEP')
  return measureScep({ rounds: flags.quick ? 1 : 3, answers: 300, clients: 16, entry: flags.entry })
}

async function main(): Promise<void> {
  const issued = wanted.includes('acme') ? await acme() : undefined
  const figures = wanted.includes('ocsp') ? await ocsp() : undefined
  const devices = wanted.includes('scep') ? await scep() : undefined
  if (flags.json) process.stdout.write(`${JSON.stringify({ ...issued, ocsp: figures, scep: devices }, null, 2)}\n`)
  else {
    if (figures) process.stdout.write(`\nOCSP\n${ocspTable(figures)}\n${ocspAims(figures)}`)
    if (devices) process.stdout.write(`\nSCEP\n${scepTable(devices)}`)
  }
}

async function acme(): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'))
  const [http01Port = 0] = await freePorts(1)
  const resolver = await startDnsServer()
  resolver.set('*.bench.test', { A: ['127.0.0.1'] })
  const responder = await startResponder(http01Port)
  let playing: Player[] = []
  try {
    playing = await players({ folder, resolver: resolver.address, http01Port }, responder)
    return print(await rounds(playing), playing)
  } finally {
    for (const { stop } of playing) await stop()
    responder.close()
    await resolver.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Who is compared with whom: nodes with one node, PostgreSQL with SQLite, this server with any other. */
function pairOf({ name }: Player): [name: string, peer: string] {
  if (name === names.nodes) return [name, names.postgres]
  if (name === names.other) return [names.postgres, name]
  return name === names.postgres ? [name, names.own] : [names.own, name]
}

/** Answers what --json prints; without it, prints. */
function print(costs: Batch[], playing: readonly Player[]): object {
  const medians = summarize(costs)
  const memory = playing.map(({ name, peak, lockUps }) => ({ name, peakMiB: Math.round(peak()), lockUps: lockUps() }))
  const found = playing
    .slice(1)
    .map((player) => pairOf(player))
    .map(([name, peer]) => ({ name, peer, to: ratios(costs, name, peer) }))
  const all = { rounds: costs, medians, ratios: found, memory }
  if (flags.json) return all
  process.stdout.write(`\nMedians of ${flags.rounds} rounds\n${table(medians)}`)
  process.stdout.write(`peak memory: ${memory.map(({ name, peakMiB }) => `${name} ${peakMiB} MiB`).join(', ')}\n`)
  for (const { name, lockUps } of memory) if (lockUps > 0) process.stdout.write(`${name} locked up ${lockUps} times\n`)
  for (const { name, peer, to } of found) process.stdout.write(ratioLine(to, name, peer))
  return all
}

await main()
