import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { caddyOf } from '../helpers/caddy.ts'
import { administrator, type CliUser, cliJson } from '../helpers/cliUsers.ts'
import { dehydratedOf } from '../helpers/dehydrated.ts'
import { modMdOf } from '../helpers/modMd.ts'
import { byHttp, npmClientOf, orderBy } from '../helpers/npmAcme.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { uacmeOf } from '../helpers/uacme.ts'
import { until } from '../helpers/until.ts'
import { expectGood } from '../helpers/verdicts.ts'
import { serveWebFolder } from '../helpers/webFolder.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

interface Key {
  kid: string
  hmac: string
}

describe('external account binding with uacme, dehydrated, acme-client, Caddy and mod_md', () => {
  let server: ServerProcess
  let zone: ZoneFolder
  let admin: CliUser
  let directory: string
  const open: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    admin = await administrator(server)
    directory = `${server.baseUrl}/acme/bound/directory`
    const rules = { issue: [{ name: 'proved', when: 'validated', auto: true }] }
    const profile = {
      name: 'bound',
      authority: 'issuing',
      protocols: { acme: { externalAccountRequired: true } },
      rules,
    }
    await cliJson(server, ['profile', 'set', '-f', '-'], { input: JSON.stringify(profile) })
  })
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close()
  })
  afterAll(async () => {
    await server.stop()
    await zone.close()
  })

  const key = () =>
    cliJson<Key>(server, ['eab', 'create', '--profile', 'bound', '--single-use'], { token: admin.token })
  const web = async (folder = join(server.workFolder, 'tokens')) => {
    const served = await serveWebFolder(folder, server.http01Port)
    open.push(served.close)
    return served
  }

  it('uacme makes an account with it, and none without', async () => {
    const { kid, hmac } = await key()
    const uacme = uacmeOf(server, { directory })
    const without = await uacme.run(['new'])
    expect(without.code).not.toBe(0)
    expect(without.stderr).toContain('requires external credentials')
    requireSuccess(await uacme.run(['--eab', `${kid}:${hmac}`, 'new']))
    requireSuccess(await uacme.run(['update', 'somebody@example.org']))
  })

  it('dehydrated makes an account with it, and none without', async () => {
    const { kid, hmac } = await key()
    const dehydrated = dehydratedOf(server, { directory })
    await web(dehydrated.wellKnown)
    const without = await dehydrated.run(['--register', '--accept-terms'])
    expect(without.code).not.toBe(0)
    expect(without.stdout).toContain('requires an external account')
    const settings = { EAB_KID: kid, EAB_HMAC_KEY: hmac, KEYSIZE: '2048' }
    requireSuccess(await dehydrated.run(['--register', '--accept-terms'], settings))
    requireSuccess(await dehydrated.run(['--cron', '--domain', 'eab.localhost'], settings))
    await expectGood(server, dehydrated.files('eab.localhost'), 'eab.localhost')
  })

  it('acme-client orders with it, and another client is refused the same key', async () => {
    const { kid, hmac } = await key()
    const options = { directoryUrl: directory, externalAccountBinding: { kid, hmacKey: hmac } }
    const { folder } = await web()
    const client = await npmClientOf(server, options)
    const order = { solver: byHttp(folder), names: ['npm.localhost'] as [string], folder: server.workFolder }
    await expectGood(server, await orderBy(client, order), 'npm.localhost')
    const second = await npmClientOf(server, options)
    await expect(second.createAccount({ termsOfServiceAgreed: true })).rejects.toThrow(/good once/)
  })

  it('Caddy gets its certificate with it', async () => {
    const { kid, hmac } = await key()
    const caddy = caddyOf(server, { directory })
    const binding = { key_id: kid, mac_key: hmac }
    const program = caddy.start({ name: 'caddy.test', challenge: 'http-01', binding })
    open.push(() => caddy.stop(program))
    await until('Caddy to serve', () => caddy.served('caddy.test'))
    await expectGood(server, caddy.files('caddy.test'), 'caddy.test')
  })

  it('mod_md gets its certificate with it', async () => {
    const { kid, hmac } = await key()
    const httpd = modMdOf(server, { directory })
    open.push(httpd.stop)
    httpd.manage('httpd.test', ['MDCAChallenges http-01', `MDExternalAccountBinding ${kid} ${hmac}`])
    await until(
      'mod_md to get its certificate',
      async () => (await httpd.status('httpd.test'))?.renewal?.finished || undefined,
    )
    httpd.reload()
    await until('mod_md to serve it', () => httpd.served('httpd.test'))
    await expectGood(server, httpd.files('httpd.test'), 'httpd.test')
  })
})
