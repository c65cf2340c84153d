import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AcmeClient, type Json, type Reply } from '../helpers/acmeClient.ts'
import { certbotOf, legoOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { httpsTransport } from '../helpers/acmeHttps.ts'
import { cliJson } from '../helpers/cliUsers.ts'
import { verifyChain } from '../helpers/openssl.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** What clients must bear, and do; each profile has one of it, the last all. */
const profiles: Record<string, Json> = {
  nonces: { rejectNonces: 0.05 },
  shuffle: { shuffle: true },
  validation: { delayValidation: '1200-2000' },
  issuance: { delayIssuance: '1000-2500' },
  after: { retryAfter: 1 },
  silent: { retryAfter: 'none', delayIssuance: '1500' },
  urls: { varyUrls: true },
  all: {
    rejectNonces: 0.05,
    shuffle: true,
    delayValidation: '0-2000',
    delayIssuance: '0-2000',
    retryAfter: 1,
    varyUrls: true,
  },
}

describe('clients of others under chaos', () => {
  let server: ServerProcess
  beforeAll(async () => {
    server = await startServer()
    const like = await cliJson<Json>(server, ['profile', 'export', 'default'])
    for (const [name, chaos] of Object.entries(profiles)) {
      const profile = { ...like, name, protocols: { acme: { chaos } } }
      await cliJson(server, ['profile', 'set', '-f', '-'], { input: JSON.stringify(profile) })
    }
  })
  afterAll(() => server.stop())

  const directory = (profile: string) => `${server.baseUrl}/acme/${profile}/directory`
  /** Several names make several arrays of several things. */
  const names = (who: string, profile: string) => ['one', 'two', 'three'].map((n) => `${n}.${who}-${profile}.localhost`)

  // Its start alone takes seconds.
  it.each(['nonces', 'urls', 'all'])('certbot issues: %s', async (profile) => {
    const certbot = certbotOf(server, { directory: directory(profile) })
    const [first = '', ...more] = names('certbot', profile)
    requireSuccess(await certbot.certonly([first, ...more]))
    expect(await verifyChain(server, requireFiles(certbot.files(first)), first)).toContain('OK')
  })

  it.each(Object.keys(profiles))('lego issues: %s', async (profile) => {
    const lego = legoOf(server, { directory: directory(profile) })
    const [first = '', ...more] = names('lego', profile)
    requireSuccess(await lego.run('run', [first, ...more]))
    expect(await verifyChain(server, requireFiles(lego.files(first)), first)).toContain('OK')
  })

  it('lego, again and again, is refused nonces and issues all the same', async () => {
    const lego = legoOf(server, { directory: directory('nonces') })
    for (let i = 0; i < 6; i++) requireSuccess(await lego.run('run', names(`again${i}`, 'nonces')))
    expect(await refusedNonces()).toBeGreaterThan(0)
  })

  /** By the server's own count of answers with 400: nothing else was wrong here. */
  async function refusedNonces(): Promise<number> {
    const text = await (await fetch(`${server.httpUrl}/metrics`)).text()
    return [...text.matchAll(/^http_requests_total\{[^}]*code="400"[^}]*\} (\d+)/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    )
  }

  it('a plain client is refused good nonces in that share', async () => {
    const transport = httpsTransport({ ca: readFileSync(server.rootPem) })
    const client = await new AcmeClient(directory('nonces'), transport).load()
    const patient = async (ask: () => Promise<Reply>): Promise<Reply> => {
      for (;;) {
        const reply = await ask()
        if (!reply.text.includes('badNonce')) return reply
      }
    }
    await patient(() => client.register())
    let refused = 0
    for (let i = 0; i < 400; i++) if ((await client.post(client.kid ?? '')).status === 400) refused++
    transport.close()
    // 20 are expected.
    expect(refused).toBeGreaterThan(2)
    expect(refused).toBeLessThan(60)
  })
})
