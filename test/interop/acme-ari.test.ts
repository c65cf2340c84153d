import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { cliJson } from '../helpers/cliUsers.ts'
import { type ModMd, modMdOf } from '../helpers/modMd.ts'
import { serialOf } from '../helpers/openssl.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'
import { expectGood } from '../helpers/verdicts.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

/** mod_md since 2.6 asks for renewal information; the other clients that run here are older than RFC 9773. */
describe('renewal information with Apache mod_md', () => {
  const name = 'ari.test'
  let server: ServerProcess
  let zone: ZoneFolder
  let httpd: ModMd

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    httpd = modMdOf(server)
    httpd.manage(name, ['MDCAChallenges http-01', 'MDRenewViaARI on', 'LogLevel md:debug'])
  })
  afterAll(async () => {
    await httpd.stop()
    await server.stop()
    await zone.close()
  })

  const serves = async (old?: string): Promise<string> => {
    const shown = async () => {
      if ((await httpd.status(name))?.renewal?.finished) httpd.reload()
      const served = await httpd.served(name)
      return served === undefined || served.serial === old ? undefined : served.serial
    }
    try {
      return await until(`mod_md to serve a new certificate for ${name}`, shown, { every: 500, within: 90_000 })
    } catch (error) {
      throw new Error(httpd.log(), { cause: error })
    }
  }

  it('is asked for, and leaves a new certificate alone', async () => {
    await serves()
    await until('mod_md to ask', async () => httpd.log().includes('ARI') || undefined)
    expect(await expectGood(server, httpd.files(name), name)).toBe((await httpd.served(name))?.serial)
  })

  it('renews at once when the window is moved, and says which certificate is replaced', async () => {
    const before = await serialOf(httpd.files(name).cert)
    const why = 'https://example.org/incident-7'
    const window = ['--serial', before, '--start', '-2h', '--end', '-1h', '--explanation', why]
    requireSuccess(await server.cli(['certificate', 'renew-window', ...window]))
    httpd.reload()
    const after = await serves(before)
    expect(httpd.log()).toContain(why)
    expect(await expectGood(server, httpd.files(name), name)).toBe(after)

    const show = (serial: string) =>
      cliJson<{ id: number; renews: number | null }>(server, ['certificate', 'show', serial])
    expect((await show(after)).renews).toBe((await show(before)).id)
  })
})
