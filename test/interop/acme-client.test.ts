import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acme, byDns, byHttp, byTls, npmClientOf, orderBy, type Solver } from '../helpers/npmAcme.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { expectGood, expectRevoked } from '../helpers/verdicts.ts'
import { serveWebFolder, type WebFolder } from '../helpers/webFolder.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

describe('acme-client, the package of npm', () => {
  let server: ServerProcess
  let zone: ZoneFolder
  let web: WebFolder
  let tls: Awaited<ReturnType<typeof byTls>>
  let client: acme.Client

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    web = await serveWebFolder(join(server.workFolder, 'tokens'), server.http01Port)
    tls = await byTls(server.tlsAlpn01Port)
    client = await npmClientOf(server)
  })
  afterAll(async () => {
    await tls.close()
    await web.close()
    await server.stop()
    await zone.close()
  })

  const cases: { names: [string, ...string[]]; type: string; solver: () => Solver }[] = [
    { type: 'http-01', names: ['web.localhost', 'www.web.localhost'], solver: () => byHttp(web.folder) },
    { type: 'dns-01', names: ['*.wild.test', 'wild.test'], solver: () => byDns(zone.folder) },
    { type: 'tls-alpn-01', names: ['alpn.localhost', 'alpn2.localhost'], solver: () => tls },
  ]

  it.each(cases)('issues over $type, renews and revokes', async ({ names, solver }) => {
    const order = { solver: solver(), names, folder: server.workFolder }
    const shown = names.map((name) => name.replace('*', 'any'))
    const first = await orderBy(client, order)
    const serial = await expectGood(server, first, ...shown)
    const second = await orderBy(client, order)
    expect(await expectGood(server, second, ...shown)).not.toBe(serial)
    await client.revokeCertificate(readFileSync(second.cert), { reason: 4 })
    await expectRevoked(server, second)
    await expect(client.revokeCertificate(readFileSync(second.cert))).rejects.toThrow(/revoked/i)
  })

  it.each(['P-256', 'P-384', 'P-521', 'RSA'] as const)('has an account by a key of %s, found again', async (kind) => {
    const { createPrivateEcdsaKey, createPrivateRsaKey } = acme.crypto
    const accountKey = kind === 'RSA' ? await createPrivateRsaKey(2048) : await createPrivateEcdsaKey(kind)
    const own = await npmClientOf(server, { accountKey })
    expect(await own.createAccount({ termsOfServiceAgreed: true })).toMatchObject({ status: 'valid' })
    const url = own.getAccountUrl()
    // A known key: 200, and then an empty update of the account.
    const again = await npmClientOf(server, { accountKey })
    expect(await again.createAccount({ contact: ['mailto:somebody@example.org'] })).toMatchObject({ status: 'valid' })
    expect(again.getAccountUrl()).toBe(url)
    expect(await own.updateAccount({ contact: ['mailto:other@example.org'] })).toMatchObject({
      contact: ['mailto:other@example.org'],
    })
  })

  it('gives up an authorization, after which the next order needs another proof', async () => {
    const identifiers = [{ type: 'dns', value: 'given-up.localhost' }]
    const order = await client.createOrder({ identifiers })
    const [authorization] = await client.getAuthorizations(order)
    if (authorization === undefined) throw new Error('no authorization')
    expect(await client.deactivateAuthorization(authorization)).toMatchObject({ status: 'deactivated' })
    expect(await client.getOrder(order)).toMatchObject({ status: 'invalid' })
    expect(await client.createOrder({ identifiers })).toMatchObject({ status: 'pending' })
  })

  it('is told why a proof fails', async () => {
    const silent: Solver = { ...byHttp(web.folder), put: async () => {}, remove: async () => {} }
    const failed = orderBy(client, { solver: silent, names: ['silent.localhost'], folder: server.workFolder })
    await expect(failed).rejects.toThrow(/silent\.localhost|404/)
  })
})
