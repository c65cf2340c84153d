import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { httpsTransport } from '../helpers/acmeHttps.ts'
import { type DnsServer, startDnsServer, type Zone } from '../helpers/dnsServer.ts'
import { until } from '../helpers/until.ts'
import { type CrowdWorld, startCrowdWorld } from './crowd/world.ts'
import { prepareOrders } from './trouble/contracts.ts'
import { expectServed } from './trouble/watched.ts'

/** A server whose name server is in the hands of the test. */
let dns: DnsServer
let world: CrowdWorld
let web: Server
let client: AcmeClient
let transport: ReturnType<typeof httpsTransport>

beforeAll(async () => {
  dns = await startDnsServer()
  world = await startCrowdWorld(undefined, { COUNTERSIGN_RESOLVER: dns.address })
  transport = httpsTransport({ ca: world.ca })
  client = await new AcmeClient(`${world.server.baseUrl}/acme/crowd/directory`, transport).load()
  await client.register()
  const { thumbprint } = client.key
  web = createServer((request, response) => response.end(`${request.url?.split('/').at(-1)}.${thumbprint}`))
  await new Promise<void>((resolve) => web.listen(world.server.http01Port, '127.0.0.1', resolve))
}, 120_000)
afterAll(async () => {
  transport.close()
  web.close()
  await world.server.stop()
  await dns.close()
})

/** How the proof of a name ends: `valid`, or the type of what was wrong. */
async function proved(name: string): Promise<string> {
  const order = await client.order([name])
  const own = new AcmeClient(client.directoryUrl, client.transport, client.key)
  Object.assign(own, { directory: client.directory, kid: client.kid })
  await own.answer(order, 'http-01')
  return until(`an end of ${name}`, async () => {
    const { json } = await own.post(order.authorizations[0] ?? '')
    if (json.status === 'pending') return undefined
    const [challenge] = (json.challenges as { error?: { type: string } }[]).filter(({ error }) => error)
    return json.status === 'valid' ? 'valid' : (challenge?.error?.type ?? String(json.status))
  })
}

const here: Zone = { A: ['127.0.0.1'] }
const sick: Record<string, Zone> = {
  'servfail.crowd.test': { ...here, rcode: 'SERVFAIL' },
  'refused.crowd.test': { ...here, rcode: 'REFUSED' },
  'silent.crowd.test': { ...here, drop: true },
  'slow.crowd.test': { ...here, delayMs: 60_000 },
}

it('a name server that is silent, slow or fails: a clear error for each, everybody else is served, and on it goes', {
  timeout: 180_000,
}, async () => {
  dns.set('good.crowd.test', here)
  dns.set('lies.crowd.test', { A: ['127.0.0.9'] })
  for (const [name, zone] of Object.entries(sick)) dns.set(name, zone)
  const names = ['missing.crowd.test', 'lies.crowd.test', ...Object.keys(sick)]
  const ending = Promise.all(names.map(async (name) => [name, await proved(name)] as const))
  await expectServed(await prepareOrders(world), 'meanwhile')
  expect(await proved('good.crowd.test'), 'those that hang keep nobody waiting').toBe('valid')
  const urn = 'urn:ietf:params:acme:error:'
  const ends = Object.fromEntries(await ending)
  expect(ends['lies.crowd.test'], 'nobody listens where the name server said').toBe(`${urn}connection`)
  for (const name of ['missing.crowd.test', ...Object.keys(sick)])
    expect([name, ends[name]]).toEqual([name, `${urn}dns`])
  for (const name of names) dns.set(name, here)
  for (const name of names) expect([name, await proved(name)]).toEqual([name, 'valid'])
})
