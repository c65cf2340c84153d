import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, it } from 'vitest'
import { type Cluster, startCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { type CrowdWorld, startCrowdWorld } from './crowd/world.ts'
import { type Orders, prepareOrders } from './trouble/contracts.ts'
import { expectServed, expectTold, expectUnavailable, turns } from './trouble/watched.ts'

/** A server on a PostgreSQL of its own, which is stopped without warning and started again. */
let cluster: Cluster
let world: CrowdWorld
let orders: Orders
let control: (...words: string[]) => void
let running = true

beforeAll(async () => {
  cluster = await startCluster()
  control = controlOf(cluster)
  world = await startCrowdWorld(cluster.url)
  orders = await prepareOrders(world)
  await expectServed(orders, 'first')
}, 120_000)
afterAll(async () => {
  await world.server.stop()
  if (running) control('stop', '-m', 'immediate')
  await cluster.stop()
})

function controlOf({ url }: Cluster): (...words: string[]) => void {
  const folder = new URL(url).searchParams.get('host') ?? ''
  const data = join(folder, 'data')
  const [pid = ''] = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
  const program = join(dirname(readlinkSync(`/proc/${pid}/exe`)), 'pg_ctl')
  const { uid, gid } = statSync(folder)
  return (...words) =>
    void execFileSync(program, ['-D', data, '-w', '-l', join(folder, 'log'), ...words], {
      cwd: folder,
      stdio: 'ignore',
      ...(process.getuid?.() === 0 ? { uid, gid } : {}),
    })
}

it('PostgreSQL is gone: 503 over every contract, not ready; it is back: on it goes', { timeout: 120_000 }, async () => {
  control('stop', '-m', 'immediate')
  running = false
  await expectUnavailable(orders, 'gone')
  await turns(world, 503)
  await until('the log says why', async () => {
    const told = world.server.output().stderr.includes('not ready: the database is unavailable: no connection')
    return told ? true : undefined
  })
  const folder = new URL(cluster.url).searchParams.get('host') ?? ''
  control('start', '-o', `-k ${folder} -c listen_addresses= -c fsync=off -c max_connections=300`)
  running = true
  await turns(world, 200)
  await expectServed(orders, 'back')
  await expectTold(world, 'database', /took no writes .* no connection/)
})
