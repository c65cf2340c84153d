import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certbot, certbotOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { writeHook } from '../helpers/hooks.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { expectGood, expectRevoked } from '../helpers/verdicts.ts'
import { serveWebFolder } from '../helpers/webFolder.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

/** Beside http-01 by its own server: the proofs that others publish for it. */
describe('certbot with hooks and with a web root', () => {
  let server: ServerProcess
  let zone: ZoneFolder
  let certbot: Certbot

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    certbot = certbotOf(server)
  })
  afterAll(async () => {
    await server.stop()
    await zone.close()
  })

  const account = () => ['--agree-tos', '--register-unsafely-without-email', '--server', server.directory]
  const manual = (put: string) => {
    const record = `"${zone.folder}/_acme-challenge.$CERTBOT_DOMAIN"`
    const auth = writeHook(server.workFolder, 'put', put.replace('RECORD', record))
    const cleanup = writeHook(server.workFolder, 'remove', `rm -f ${record}`)
    const hooks = ['--manual-auth-hook', auth, '--manual-cleanup-hook', cleanup]
    return ['certonly', '--manual', '--preferred-challenges', 'dns', ...hooks, ...account()]
  }

  it('issues for a wildcard and its base over dns-01, renews and revokes', async () => {
    const names = ['-d', '*.wild.test', '-d', 'wild.test']
    requireSuccess(await certbot.run([...manual('echo "$CERTBOT_VALIDATION" >>RECORD'), ...names]))
    const files = requireFiles(certbot.files('wild.test'))
    const serial = await expectGood(server, files, 'any.wild.test', 'wild.test')
    requireSuccess(await certbot.run(['renew', '--force-renewal', '--no-random-sleep-on-renew']))
    expect(await expectGood(server, files, 'any.wild.test', 'wild.test')).not.toBe(serial)
    const revoke = ['revoke', '--cert-path', files.cert, '--server', server.directory, '--no-delete-after-revoke']
    requireSuccess(await certbot.run(revoke))
    await expectRevoked(server, files)
  })

  it('says which record was missing', async () => {
    const { code, stdout, stderr } = await certbot.run([...manual('true'), '-d', 'plain.test'])
    expect(code).not.toBe(0)
    expect(`${stdout}${stderr}`).toContain('_acme-challenge.plain.test')
  })

  it('issues over http-01 by files in a web root', async () => {
    const folder = join(server.workFolder, 'htdocs')
    const web = await serveWebFolder(join(folder, '.well-known/acme-challenge'), server.http01Port)
    const order = ['certonly', '--webroot', '--webroot-path', folder, ...account(), '-d', 'root.localhost']
    try {
      requireSuccess(await certbot.run(order))
    } finally {
      await web.close()
    }
    await expectGood(server, certbot.files('root.localhost'), 'root.localhost')
    expect(existsSync(join(web.folder, web.asked[0] ?? ''))).toBe(false)
  })
})
