import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { httpsTransport } from '../helpers/acmeHttps.ts'
import { type DatabaseProxy, databaseProxy } from '../helpers/databaseProxy.ts'
import { databases } from '../helpers/databases.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'

/** The server as a process, over a PostgreSQL that goes away and comes back. */
let proxy: DatabaseProxy
let server: ServerProcess
let close: () => Promise<void>

beforeAll(async () => {
  const opened = await databases.find(({ name }) => name === 'postgres')?.openEmpty()
  if (!opened) throw new Error('no PostgreSQL')
  close = opened.close
  proxy = await databaseProxy(opened.url)
  server = await startServer({ databaseUrl: proxy.url })
}, 120_000)
afterAll(async () => {
  proxy.heal()
  await server.stop()
  await proxy.close()
  await close()
})

const ready = async (status: number) => ((await fetch(`${server.httpUrl}/readyz`)).status === status ? true : undefined)

it('not ready and 503 while it is gone, and everything again when it is back, without hands', {
  timeout: 120_000,
}, async () => {
  const client = new AcmeClient(server.directory, httpsTransport({ ca: readFileSync(server.rootPem) }))
  await client.load()
  expect((await client.register()).status).toBe(201)
  for (const _ of [1, 2]) {
    proxy.refuse(true)
    proxy.cut()
    await until('not ready', () => ready(503))
    const refused = await client.post(client.directory.newOrder ?? '', {
      identifiers: [{ type: 'dns', value: 'a.localhost' }],
    })
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect((await fetch(`${server.httpUrl}/healthz`)).status).toBe(200)
    expect((await fetch(`${server.httpUrl}/crl/issuing.crl`)).status).toBe(503)
    proxy.heal()
    await until('ready again', () => ready(200))
    expect((await client.order(['a.localhost'])).status).toBe('pending')
  }
})

it('that is not there at the start: a line that says so, and no server', async () => {
  proxy.refuse(true)
  await server.kill('SIGTERM')
  await expect(server.restart()).rejects.toThrow(/countersign: the database is unavailable: no connection/)
  proxy.heal()
  await server.restart()
})
