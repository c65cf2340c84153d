// npm run bench:lists: lists with page numbers over a million certificates and a hundred thousand requests. See docs/performance.md.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { Failure } from '../../src/core/failure.ts'
import type { Installation } from '../../src/core/installation.ts'
import { system } from '../../src/core/requester.ts'
import type { Search } from '../../src/core/search/search.ts'
import { createSearches } from '../../src/core/search/searchRows.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { openWorld } from '../helpers/world.ts'
import { type Fill, fillPostgres, fillSqlite } from './listsFill.ts'
import { startBenchCluster } from './ocspServers.ts'

const { values: flags } = parseArgs({
  options: {
    certificates: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
    postgres: { type: 'boolean', default: false },
    /** By name, a regular expression. */
    only: { type: 'string', default: '' },
  },
})

type Filters = NonNullable<Search['where']>

const day = 86_400_000
const cases: Record<string, Filters> = {
  'no filter': [],
  'status issued': [{ field: 'status', condition: 'equals', value: 'issued' }],
  'status revoked, one in a hundred': [{ field: 'status', condition: 'equals', value: 'revoked' }],
  'profile and key algorithm': [
    { field: 'profile', condition: 'equals', value: 'devices' },
    { field: 'keyAlgorithm', condition: 'notEquals', value: 'P-256' },
  ],
  'ends within a week': [{ field: 'notAfter', condition: 'inNext', value: 7 * day }],
  'ends within a week, of one profile': [
    { field: 'notAfter', condition: 'inNext', value: 7 * day },
    { field: 'profile', condition: 'equals', value: 'devices' },
  ],
  'made a long time ago': [{ field: 'createdAt', condition: 'lesser', value: Date.now() - 600 * day }],
  'began a long time ago': [{ field: 'notBefore', condition: 'lesser', value: Date.now() - 600 * day }],
  'ended a long time ago': [{ field: 'notAfter', condition: 'lesser', value: Date.now() - 300 * day }],
  'revoked a long time ago': [{ field: 'revokedAt', condition: 'lesser', value: Date.now() - 300 * day }],
  'contains, common': [{ field: 'names', condition: 'contains', value: 'example' }],
  'contains, one in a thousand': [{ field: 'names', condition: 'contains', value: 'h777.' }],
  'contains, rare': [{ field: 'names', condition: 'contains', value: 'rare-one' }],
  'contains, absent': [{ field: 'names', condition: 'contains', value: 'exmaple' }],
  'contains, absent, of parts that are there': [{ field: 'names', condition: 'contains', value: 'h1234.' }],
  'contains not': [{ field: 'commonName', condition: 'notContains', value: 'example' }],
  'common and revoked': [
    { field: 'names', condition: 'contains', value: 'example' },
    { field: 'status', condition: 'equals', value: 'revoked' },
  ],
  name: [{ field: 'names', condition: 'equals', value: 'h5.example.org' }],
  serial: [{ field: 'serial', condition: 'startsWith', value: '0102' }],
  'serial contains': [{ field: 'serial', condition: 'contains', value: '00abcdef' }],
  requester: [{ field: 'requester', condition: 'equals', value: 'client 7' }],
  'regular expression': [{ field: 'names', condition: 'matches', value: '^h1[0-9]*5\\.' }],
}
const requestCases: Record<string, Filters> = {
  'requests: no filter': [],
  'requests: waiting': [{ field: 'status', condition: 'equals', value: 'requested' }],
  'requests: contains, common': [{ field: 'names', condition: 'contains', value: 'example' }],
  'requests: contains, absent': [{ field: 'names', condition: 'contains', value: 'exmaple' }],
  'requests: took more than a minute': [{ field: 'duration', condition: 'greater', value: 60_000 }],
}

interface Line {
  name: string
  total: string
  first: [number, number]
  last: [number, number]
  pause: number
}

type Ask = (search: Search) => Promise<{ total: number; atLeast: boolean }>

async function measured(name: string, where: Filters, ask: Ask): Promise<Line> {
  const size = 50
  const begin = performance.now()
  const { total, atLeast } = await ask({ page: 1, size, where })
  const cold = performance.now() - begin
  process.stderr.write(`${name}: ${total}${atLeast ? '+' : ''}, cold ${cold.toFixed(0)} ms\n`)
  const rounds = cold > 500 ? 5 : Number(flags.rounds)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const first = await times(rounds, () => ask({ page: 1, size, where }))
  const last = await times(rounds, () => ask({ page: Math.max(1, Math.ceil(total / size)), size, where }))
  delay.disable()
  return { name, total: `${total}${atLeast ? ' at least' : ''}`, first, last, pause: delay.max / 1e6 }
}

/** Milliseconds: the median and the 99th percentile. */
async function times(rounds: number, work: () => Promise<unknown>): Promise<[number, number]> {
  const taken: number[] = []
  for (let n = 0; n < rounds; n++) {
    const begin = performance.now()
    await work()
    taken.push(performance.now() - begin)
  }
  taken.sort((a, b) => a - b)
  return [taken[Math.floor(rounds / 2)] ?? 0, taken[Math.min(rounds - 1, Math.ceil(rounds * 0.99) - 1)] ?? 0]
}

function table(lines: Line[]): string {
  const ms = (value: number) => value.toFixed(1)
  const rows = lines.map(({ name, total, first, last, pause }) =>
    [name, total, ...first.map(ms), ...last.map(ms), ms(pause)].join(' | '),
  )
  const head = 'filter | total | first page p50 ms | p99 | last page p50 ms | p99 | longest pause ms'
  return [head, '--- | ---: | ---: | ---: | ---: | ---: | ---:', ...rows].map((row) => `| ${row} |\n`).join('')
}

async function run(it: Installation): Promise<Line[]> {
  const only = new RegExp(flags.only)
  const lines: Line[] = []
  const list = createSearches(it, system('bench'))
  const each = async (table: Record<string, Filters>, ask: Ask) => {
    for (const [name, where] of Object.entries(table)) {
      if (!only.test(name)) continue
      try {
        lines.push(await measured(name, where, ask))
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        process.stderr.write(`${name}: ${error.message}\n`)
      }
    }
  }
  await each(cases, (search) => list.searchCertificates(search))
  await each(requestCases, (search) => list.searchRequests({ ...search, kind: 'revoke' }))
  return lines
}

const folder = mkdtempSync(join(tmpdir(), 'countersign-lists-'))
const cluster = flags.postgres ? await startBenchCluster() : undefined
try {
  const url = cluster?.url ?? join(folder, 'bench.sqlite')
  const secret = randomBytes(32)
  const fill: Fill = { url, secret, certificates: Number(flags.certificates), requests: Number(flags.requests) }
  await (cluster ? fillPostgres(fill) : fillSqlite(fill))
  process.stderr.write('filled\n')
  const { it } = await openWorld(openDatabase(url), secret)
  const lines = await run({ ...it, clock: () => new Date() })
  await closeDatabase(it.db)
  process.stdout.write(flags.json ? `${JSON.stringify(lines, null, 2)}\n` : table(lines))
} finally {
  await cluster?.stop()
  rmSync(folder, { recursive: true, force: true })
}
