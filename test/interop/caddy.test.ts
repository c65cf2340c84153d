import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { type Caddy, type CaddySetup, caddyOf } from '../helpers/caddy.ts'
import type { RunningProgram } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { uacmeOf } from '../helpers/uacme.ts'
import { until } from '../helpers/until.ts'
import { expectGood, expectRevoked } from '../helpers/verdicts.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

/** Caddy cannot revoke by itself, but looks at OCSP and replaces what is revoked. */
describe('Caddy with automatic HTTPS', () => {
  let server: ServerProcess
  let zone: ZoneFolder
  let caddy: Caddy
  let program: RunningProgram | undefined

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    caddy = caddyOf(server)
  })
  const stop = async () => {
    if (program) await caddy.stop(program)
    program = undefined
  }
  afterEach(stop)
  afterAll(async () => {
    await server.stop()
    await zone.close()
  })

  /** The serial number of what it serves, once that is a certificate of ours with an OCSP answer, and not `old`. */
  const serves = async (setup: CaddySetup, old?: string): Promise<string> => {
    program ??= caddy.start(setup)
    const { child, output } = program
    const ask = async () => {
      if (child.exitCode !== null) throw new Error('Caddy ended')
      const served = await caddy.served(setup.name)
      return served?.stapled === undefined || served.serial === old ? undefined : served.serial
    }
    try {
      return await until(`a certificate for ${setup.name}`, ask, { every: 250 })
    } catch (error) {
      throw new Error(output().stderr, { cause: error })
    }
  }

  const setups: CaddySetup[] = [
    { name: 'web.test', challenge: 'http-01' },
    { name: 'alpn.test', challenge: 'tls-alpn-01' },
  ]

  it.each(setups)('gets a certificate over $challenge and serves it with an OCSP answer', async (setup) => {
    const serial = await serves(setup)
    expect(await expectGood(server, caddy.files(setup.name), setup.name)).toBe(serial)
  })

  it('serves the same one after a restart', async () => {
    const before = await expectGood(server, caddy.files('web.test'), 'web.test')
    expect(await serves({ name: 'web.test', challenge: 'http-01' })).toBe(before)
  })

  it('renews when the window has come', async () => {
    const before = await expectGood(server, caddy.files('web.test'), 'web.test')
    // Of 90 days, the minute that certificates are dated back and a few seconds.
    await serves({ name: 'web.test', challenge: 'http-01', renewalWindow: 0.999_991_8 }, before)
    await stop()
    expect(await expectGood(server, caddy.files('web.test'), 'web.test')).not.toBe(before)
  })

  it('replaces a certificate that was revoked by its key', async () => {
    const setup: CaddySetup = { name: 'alpn.test', challenge: 'tls-alpn-01' }
    const files = caddy.files(setup.name)
    const before = await expectGood(server, files, setup.name)
    requireSuccess(await uacmeOf(server).revoke(files, 'key'))
    await expectRevoked(server, files)
    caddy.forgetOcsp()
    const after = await serves(setup, before)
    expect(await expectGood(server, caddy.files(setup.name), setup.name)).toBe(after)
  })
})
