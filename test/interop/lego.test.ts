import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Lego, type LegoOptions, legoOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { type DnsServer, startDnsServer } from '../helpers/dnsServer.ts'
import { crlEntry, crlText, ocspStatus, serialOf, verifyChain } from '../helpers/openssl.ts'
import { succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** lego calls it with what to do, the name, and the value of the record: files are the zone. */
const provider = `#!/bin/sh
set -e
case "$1" in
  present) echo "$3" >> "$ZONE/$2" ;;
  cleanup) rm -f "$ZONE/$2" ;;
esac
`

describe('lego', () => {
  let server: ServerProcess
  let dns: DnsServer
  let lego: Lego
  let zone: string
  let script: string

  beforeAll(async () => {
    dns = await startDnsServer()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: dns.address } })
    zone = join(server.workFolder, 'zone')
    mkdirSync(zone)
    script = join(server.workFolder, 'provider')
    writeFileSync(script, provider)
    chmodSync(script, 0o755)
    for (const name of ['wild.test', 'plain.test']) {
      dns.set(`_acme-challenge.${name}`, () => ({ TXT: records(`_acme-challenge.${name}.`) }))
    }
    lego = legoOf(server)
  })
  afterAll(async () => {
    await server.stop()
    await dns.close()
  })

  function records(name: string): string[] {
    const file = join(zone, name)
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  }

  const byDns = (): LegoOptions => ({
    solve: ['--dns', 'exec', '--dns.disable-cp', '--dns.resolvers', dns.address],
    env: {
      EXEC_PATH: script,
      ZONE: zone,
      EXEC_POLLING_INTERVAL: '1',
      EXEC_PROPAGATION_TIMEOUT: '5',
      EXEC_SEQUENCE_INTERVAL: '1',
    },
  })
  const byTls = (): LegoOptions => ({ solve: ['--tls', '--tls.port', `127.0.0.1:${server.tlsAlpn01Port}`] })

  const keys = [
    { keyType: 'ec256', shown: 'ASN1 OID: prime256v1' },
    { keyType: 'ec384', shown: 'ASN1 OID: secp384r1' },
    { keyType: 'rsa2048', shown: 'Public-Key: (2048 bit)' },
  ]

  it.each(keys)('issues over http-01 with a key of $keyType', async ({ keyType, shown }) => {
    const name = `${keyType}.localhost`
    const own = legoOf(server)
    requireSuccess(await own.run('run', [name], { keyType }))
    const files = requireFiles(own.files(name))
    expect(await verifyChain(server, files, name)).toContain('OK')
    expect(await succeed('openssl', ['x509', '-in', files.cert, '-noout', '-text'])).toContain(shown)
  })

  it('issues over tls-alpn-01', async () => {
    requireSuccess(await lego.run('run', ['alpn.localhost', 'alpn2.localhost'], byTls()))
    expect(await verifyChain(server, lego.files('alpn.localhost'), 'alpn2.localhost')).toContain('OK')
  })

  it('issues for a wildcard and its base over dns-01', async () => {
    requireSuccess(await lego.run('run', ['*.wild.test', 'wild.test'], byDns()))
    const files = requireFiles(lego.files('*.wild.test'))
    expect(await verifyChain(server, files, 'anything.wild.test')).toContain('OK')
    expect(await verifyChain(server, files, 'wild.test')).toContain('OK')
    await expect(verifyChain(server, files, 'a.b.wild.test')).rejects.toThrow('hostname mismatch')
    expect(dns.asked.some(({ name, type }) => name === '_acme-challenge.wild.test' && type === 'TXT')).toBe(true)
  })

  it('is refused a wildcard that http-01 would have to prove', async () => {
    const { code, stdout, stderr } = await legoOf(server).run('run', ['*.wild.localhost'])
    expect(code).not.toBe(0)
    expect(`${stdout}${stderr}`).toMatch(/could not (determine|find) solvers|no.*challenge/i)
  })

  it('renews, with another serial number', async () => {
    const files = lego.files('alpn.localhost')
    const before = await serialOf(files.cert)
    requireSuccess(
      await lego.run('renew', ['alpn.localhost'], { ...byTls(), args: ['--days', '3650', '--no-random-sleep'] }),
    )
    expect(await serialOf(files.cert)).not.toBe(before)
    expect(await verifyChain(server, files, 'alpn.localhost')).toContain('OK')
  })

  it('revokes: OCSP and the CRL say so', async () => {
    const files = lego.files('*.wild.test')
    expect((await ocspStatus(server, files)).status).toBe('good')
    requireSuccess(await lego.run('revoke', ['*.wild.test'], { args: ['--keep', '--reason', '4'] }))
    const { status, verified, text } = await ocspStatus(server, files)
    expect(status, text).toBe('revoked')
    expect(verified, text).toBe(true)
    expect(crlEntry(await crlText(server, files), await serialOf(files.cert))).toEqual({
      listed: true,
      reason: 'Superseded',
    })
  })

  it('fails with the reason when the record is missing', async () => {
    const nothing = join(server.workFolder, 'nothing')
    writeFileSync(nothing, '#!/bin/sh\n')
    chmodSync(nothing, 0o755)
    const { env, ...options } = byDns()
    const { code, stdout, stderr } = await legoOf(server).run('run', ['plain.test'], {
      ...options,
      env: { ...env, EXEC_PATH: nothing },
    })
    expect(code).not.toBe(0)
    expect(`${stdout}${stderr}`).toMatch(/urn:ietf:params:acme:error:(unauthorized|incorrectResponse|dns)/)
  })
})
