import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { writeHook } from '../helpers/hooks.ts'
import { type ModMd, modMdOf } from '../helpers/modMd.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { uacmeOf } from '../helpers/uacme.ts'
import { until } from '../helpers/until.ts'
import { expectGood, expectRevoked } from '../helpers/verdicts.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

/** It cannot revoke: its certificates are revoked by their keys. */
describe('Apache with mod_md', () => {
  let server: ServerProcess
  let zone: ZoneFolder
  let httpd: ModMd
  let hook: string

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    httpd = modMdOf(server)
    const record = `"${zone.folder}/_acme-challenge.$2"`
    const cases = ['case "$1" in', `  setup) echo "$3" >>${record} ;;`, `  teardown) rm -f ${record} ;;`, 'esac']
    hook = writeHook(httpd.folder, 'by-dns', ...cases)
  })
  afterAll(async () => {
    await httpd.stop()
    await server.stop()
    await zone.close()
  })

  /** Until it has got a certificate, and, told to use it, serves it with an OCSP answer. */
  const serves = async (name: string, old?: string): Promise<string> => {
    const obtained = async () => {
      const status = await httpd.status(name)
      return status?.renewal?.finished || (await shown()) !== undefined || undefined
    }
    const shown = async () => {
      const served = await httpd.served(name)
      return served?.stapled === undefined || served.serial === old ? undefined : served.serial
    }
    try {
      await until(`mod_md to get a certificate for ${name}`, obtained, { every: 250 })
      httpd.reload()
      return await until(`mod_md to serve a certificate for ${name}`, shown, { every: 250 })
    } catch (error) {
      throw new Error(httpd.log(), { cause: error })
    }
  }

  it('gets a certificate over http-01 and serves it with an OCSP answer', async () => {
    httpd.manage('web.test', ['MDCAChallenges http-01'])
    const serial = await serves('web.test')
    expect(await expectGood(server, httpd.files('web.test'), 'web.test')).toBe(serial)
  })

  it('renews when the window has come', async () => {
    const before = await expectGood(server, httpd.files('web.test'), 'web.test')
    httpd.manage('web.test', ['MDCAChallenges http-01', 'MDRenewWindow 90d'])
    expect(await serves('web.test', before)).not.toBe(before)
  })

  it('gets a certificate over tls-alpn-01', async () => {
    httpd.manage('alpn.test', ['MDCAChallenges tls-alpn-01'])
    const serial = await serves('alpn.test')
    expect(await expectGood(server, httpd.files('alpn.test'), 'alpn.test')).toBe(serial)
  })

  it('gets a certificate for a wildcard and its base over dns-01', async () => {
    httpd.manage('wild.test *.wild.test', ['MDCAChallenges dns-01', `MDChallengeDns01 ${hook}`])
    const serial = await serves('wild.test')
    expect(await expectGood(server, httpd.files('wild.test'), 'wild.test', 'any.wild.test')).toBe(serial)
  })

  it('has its certificate revoked by the key', async () => {
    const files = httpd.files('wild.test')
    requireSuccess(await uacmeOf(server).revoke(files, 'key'))
    await expectRevoked(server, files)
  })
})
