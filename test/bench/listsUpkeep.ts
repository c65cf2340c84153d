// tsx test/bench/listsUpkeep.ts: what the upkeep of what lists are searched by adds to issuing, in one process, with tables of some sizes.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Sqlite from 'better-sqlite3'
import { followSearch } from '../../src/core/search/searchFollow.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { acmeAccount, newCsr, openWorld } from '../helpers/world.ts'
import { fillSqlite } from './listsFill.ts'

const { values: flags } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,1000000' },
    count: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
  },
})

const count = Number(flags.count)
const milliseconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/** CPU milliseconds a certificate: without triggers, with them, and of the follower afterwards. */
async function measure(certificates: number): Promise<{ without: number[]; put: number[]; follow: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-upkeep-'))
  const url = join(folder, 'bench.sqlite')
  const secret = randomBytes(32)
  await fillSqlite({ url, secret, certificates, requests: 1000 })
  const world = await openWorld(openDatabase(url), secret)
  world.time.now = new Date()
  const raw = new Sqlite(url)
  const triggers = raw
    .prepare(`select name, sql from sqlite_master where type = 'trigger' and name like 'search%'`)
    .all() as {
    name: string
    sql: string
  }[]
  const profile = await world.profile()
  const issueAll = async (csrs: Csr[]): Promise<number> => {
    const begin = process.cpuUsage()
    for (let n = 0; n < csrs.length; n += 20) {
      await Promise.all(
        csrs.slice(n, n + 20).map((csr) => {
          const validated = csr.identifiers
          const draft = { profile, protocol: 'acme', action: 'issue', csr, validated, refusal: 'throw' } as const
          return world.core.as(acmeAccount()).sign(draft)
        }),
      )
    }
    return milliseconds(process.cpuUsage(begin)) / csrs.length
  }
  const figures = { without: [] as number[], put: [] as number[], follow: [] as number[] }
  let number = 0
  const some = () =>
    Promise.all(
      Array.from({ length: count }, () => newCsr([`n${number++}-${randomBytes(4).toString('hex')}.example.org`])),
    )
  await issueAll(await some())
  await followSearch(world.it.db, Number.POSITIVE_INFINITY)
  for (let round = 0; round < Number(flags.rounds); round++) {
    const [first, second] = [await some(), await some()]
    for (const { name } of triggers) raw.exec(`drop trigger ${name}`)
    figures.without.push(await issueAll(first))
    for (const { sql } of triggers) raw.exec(sql)
    figures.put.push(await issueAll(second))
    const begin = process.cpuUsage()
    await followSearch(world.it.db, Number.POSITIVE_INFINITY)
    figures.follow.push(milliseconds(process.cpuUsage(begin)) / count)
  }
  raw.close()
  await closeDatabase(world.it.db)
  rmSync(folder, { recursive: true, force: true })
  return figures
}

process.stdout.write(
  '| certificates before | issuing ms | with triggers ms | ratio | follower ms |\n| ---: | ---: | ---: | ---: | ---: |\n',
)
for (const size of flags.sizes.split(',')) {
  const { without, put, follow } = await measure(Number(size))
  const ratio = median(put.map((value, n) => value / (without[n] ?? value)))
  const cells = [
    size,
    ...[without, put].map((values) => median(values).toFixed(3)),
    ratio.toFixed(3),
    median(follow).toFixed(3),
  ]
  process.stdout.write(`| ${cells.join(' | ')} |\n`)
}
