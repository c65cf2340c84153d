import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { httpsTransport } from '../helpers/acmeHttps.ts'
import { floodConnections, rawRequest, residentMemory } from '../helpers/flood.ts'
import { ask } from '../helpers/rawHttp.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

const CONNECTIONS = 250
const ORDERS_EACH = 2
const REQUESTS_EACH = 20

let server: ServerProcess
let client: AcmeClient
let transport: ReturnType<typeof httpsTransport>
const get = (path: string) => ask({ port: Number(new URL(server.httpUrl).port), path, agent: false })
const metric = async (name: string) =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await get('/metrics')).text)?.[1])
const ordersStored = () => {
  const db = new Sqlite(join(server.dataFolder, 'countersign.sqlite'), { readonly: true })
  const { count } = db.prepare('select count(*) as count from acme_orders').get() as { count: number }
  db.close()
  return count
}

/** Until it is called nobody else writes to the database. */
function lockDatabase(): () => void {
  const db = new Sqlite(join(server.dataFolder, 'countersign.sqlite'))
  db.pragma('busy_timeout = 5000')
  db.exec('begin immediate')
  return () => {
    db.exec('rollback')
    db.close()
  }
}

async function signedOrders(count: number): Promise<string[]> {
  const url = client.directory.newOrder ?? ''
  const orders: string[] = []
  while (orders.length < count) {
    const some = Array.from({ length: Math.min(32, count - orders.length) }, async (_, n) => {
      const { headers } = await transport({ method: 'HEAD', url: client.directory.newNonce ?? '', headers: {} })
      const identifiers = [{ type: 'dns', value: `n${orders.length + n}.localhost` }]
      const body = await client.jws(url, { identifiers }, { header: { nonce: headers.get('replay-nonce') } })
      return rawRequest(url, body)
    })
    orders.push(...(await Promise.all(some)))
  }
  return orders
}

async function medianMilliseconds(): Promise<number> {
  const times: number[] = []
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false })
  for (let n = 0; n < 21; n++) {
    const started = performance.now()
    await ask({ tls: true, port: Number(new URL(server.baseUrl).port), path: '/acme/default/directory', agent })
    times.push(performance.now() - started)
  }
  agent.destroy()
  return times.sort((a, b) => a - b)[10] ?? 0
}

beforeAll(async () => {
  const bounds = { COUNTERSIGN_MAX_REQUESTS: '400', COUNTERSIGN_MAX_REQUESTS_PER_ADDRESS: '100' }
  server = await startServer({ env: { ...bounds, COUNTERSIGN_LOG_LEVEL: 'warn', COUNTERSIGN_STOP_DELAY: '1s' } })
  transport = httpsTransport({ ca: readFileSync(server.rootPem) })
  client = await new AcmeClient(server.directory, transport).load()
  await client.register()
}, 120_000)
afterAll(async () => {
  transport?.close()
  await server?.stop()
})

describe('a flood of 5,000 requests at once, while the database takes nothing', () => {
  test('is answered, each of them, within bounds of memory; the rest goes on', { timeout: 120_000 }, async () => {
    const calm = await medianMilliseconds()
    const orders = await signedOrders(CONNECTIONS * ORDERS_EACH)
    const connections = await floodConnections(Number(new URL(server.baseUrl).port), CONNECTIONS, 10)
    const before = residentMemory(server.pid)
    let highest = before
    const sampling = setInterval(() => {
      highest = Math.max(highest, residentMemory(server.pid))
    }, 20)
    const unlock = lockDatabase()
    const nonces = Array.from({ length: REQUESTS_EACH - ORDERS_EACH }, () =>
      rawRequest(client.directory.newNonce ?? ''),
    )
    const flood = connections.map((connection, n) =>
      connection.send([...orders.slice(n * ORDERS_EACH, (n + 1) * ORDERS_EACH), ...nonces]),
    )
    for (let n = 0; n < 10; n++) expect(await get('/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await metric('http_requests_under_way')).toBeLessThanOrEqual(400)
    unlock()
    const answers = (await Promise.all(flood)).flat()
    clearInterval(sampling)
    for (const connection of connections) connection.close()

    const counts = new Map<number, number>()
    for (const { status } of answers) counts.set(status, (counts.get(status) ?? 0) + 1)
    expect([...counts.keys()].filter((status) => ![200, 201, 429, 503].includes(status))).toEqual([])
    expect(answers).toHaveLength(CONNECTIONS * REQUESTS_EACH)
    expect(counts.get(201)).toBeGreaterThan(0)
    expect(counts.get(503)).toBeGreaterThan(0)
    for (const { status, head } of answers) if (status >= 429) expect(head).toMatch(/^retry-after: \d+\r?$/m)
    // What was accepted is there, and nothing that was not.
    expect(ordersStored()).toBe(counts.get(201))
    expect(highest - before).toBeLessThan(150)

    expect(await metric('http_requests_under_way')).toBe(0)
    expect(await metric('http_body_octets_held')).toBe(0)
    await expect(client.order(['after.localhost'])).resolves.toMatchObject({ status: 'pending' })
    expect(await medianMilliseconds()).toBeLessThan(5 * calm + 50)
  })
})

describe('SIGTERM under load', () => {
  const answersTo = (orders: string[]) =>
    floodConnections(Number(new URL(server.baseUrl).port), 4, 4).then((connections) =>
      connections.map((connection, n) => connection.send(orders.slice(n * 5, n * 5 + 5))),
    )

  test('says that it is not ready, goes on for a while, finishes what it has accepted, and ends well', async () => {
    const stored = ordersStored()
    const unlock = lockDatabase()
    const flood = await answersTo(await signedOrders(20))
    while ((await metric('http_requests_under_way')) < 20);
    const ended = server.kill('SIGTERM')
    while ((await get('/readyz')).status === 200);
    expect(await get('/healthz')).toMatchObject({ status: 200 })
    expect(await get('/crl/nothing')).toMatchObject({ status: 404 })
    unlock()
    const answers = (await Promise.all(flood)).flat()
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201))
    expect(await ended).toMatchObject({ code: 0, signal: null })
    expect(ordersStored() - stored).toBe(20)
  })

  test('the second one ends it at once', async () => {
    await server.restart()
    const unlock = lockDatabase()
    const flood = await answersTo(await signedOrders(20))
    while ((await metric('http_requests_under_way')) < 20);
    const ended = server.kill('SIGTERM')
    while ((await get('/readyz')).status === 200);
    const signalled = performance.now()
    process.kill(server.pid, 'SIGTERM')
    expect(await ended).toMatchObject({ code: 1, signal: null })
    expect(performance.now() - signalled).toBeLessThan(1_000)
    unlock()
    expect((await Promise.all(flood)).flat()).toEqual([])
  })
})
