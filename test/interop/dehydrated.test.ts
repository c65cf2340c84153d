import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { type Dehydrated, dehydratedOf } from '../helpers/dehydrated.ts'
import { writeHook } from '../helpers/hooks.ts'
import { cutChain } from '../helpers/pemChain.ts'
import { succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { expectGood, expectRevoked } from '../helpers/verdicts.ts'
import { serveWebFolder, type WebFolder } from '../helpers/webFolder.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

/** A line for each proof: what to do, the name, the token, the value of the record. */
const zoneHook = [
  'case "$1" in',
  `  deploy_challenge) echo "$4" >> "$ZONE/_acme-challenge.$2" ;;`,
  `  clean_challenge) rm -f "$ZONE/_acme-challenge.$2" ;;`,
  'esac',
]

/** dehydrated makes the certificate with the proof and leaves it to others to serve it. */
const tlsHook = [
  'case "$1" in',
  'deploy_challenge)',
  '  timeout 60 openssl s_server -accept "127.0.0.1:$TLS_PORT" -alpn acme-tls/1 -www \\',
  '    -cert "$ALPNCERTDIR/$2.crt.pem" -key "$ALPNCERTDIR/$2.key.pem" </dev/null >"$BASEDIR/s_server.log" 2>&1 &',
  '  echo $! >"$BASEDIR/s_server.pid"',
  '  for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do',
  '    grep -q ACCEPT "$BASEDIR/s_server.log" && exit 0',
  '    sleep 0.2',
  '  done',
  '  exit 1 ;;',
  'clean_challenge) kill "$(cat "$BASEDIR/s_server.pid")" ;;',
  'esac',
]

describe('dehydrated', () => {
  let server: ServerProcess
  let zone: ZoneFolder
  let web: WebFolder
  let dehydrated: Dehydrated
  let byDns: Record<string, string>
  let byTls: Record<string, string>

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    dehydrated = dehydratedOf(server)
    web = await serveWebFolder(dehydrated.wellKnown, server.http01Port)
    const folder = server.workFolder
    byDns = { CHALLENGETYPE: 'dns-01', HOOK: writeHook(folder, 'by-dns', `ZONE=${zone.folder}`, ...zoneHook) }
    byTls = {
      CHALLENGETYPE: 'tls-alpn-01',
      HOOK: writeHook(folder, 'by-tls', `TLS_PORT=${server.tlsAlpn01Port}`, ...tlsHook),
    }
  })
  afterAll(async () => {
    await web.close()
    await server.stop()
    await zone.close()
  })

  it('does nothing before it has an account', async () => {
    const { code, stderr } = await dehydrated.run(['--cron', '--domain', 'early.localhost'])
    expect(code).not.toBe(0)
    expect(stderr).toContain('--register --accept-terms')
  })

  it('registers with an RSA key of 4096 bits and changes its contact', async () => {
    requireSuccess(await dehydrated.run(['--register', '--accept-terms']))
    const { stdout } = requireSuccess(await dehydrated.run(['--account'], { CONTACT_EMAIL: 'other@example.org' }))
    expect(stdout).toContain('Done!')
  })

  it('issues over http-01 for two names, and renews with another key', async () => {
    const names = ['--domain', 'web.localhost www.web.localhost']
    requireSuccess(await dehydrated.run(['--cron', ...names]))
    const files = requireFiles(dehydrated.files('web.localhost'))
    const serial = await expectGood(server, files, 'web.localhost', 'www.web.localhost')
    expect(web.asked.length).toBeGreaterThanOrEqual(2)

    requireSuccess(await dehydrated.run(['--cron', '--force', ...names]))
    expect(await expectGood(server, files, 'web.localhost', 'www.web.localhost')).not.toBe(serial)
  })

  it('issues over dns-01 for a wildcard and its base', async () => {
    const args = ['--cron', '--domain', 'wild.test *.wild.test', '--algo', 'rsa']
    requireSuccess(await dehydrated.run(args, byDns))
    await expectGood(server, dehydrated.files('wild.test'), 'wild.test', 'any.wild.test')
    expect(zone.dns.asked.some(({ name, type }) => name === '_acme-challenge.wild.test' && type === 'TXT')).toBe(true)
  })

  it('issues over tls-alpn-01, served by openssl', async () => {
    requireSuccess(await dehydrated.run(['--cron', '--domain', 'alpn.localhost'], byTls))
    await expectGood(server, dehydrated.files('alpn.localhost'), 'alpn.localhost')
  })

  it('signs a CSR of somebody else and completes the chain by the issuer that the certificate names', async () => {
    const [key, csr] = ['own.key', 'own.csr'].map((file) => join(dehydrated.folder, file)) as [string, string]
    const subject = ['-subj', '/O=Somebody/CN=csr.localhost', '-addext', 'subjectAltName=DNS:csr.localhost']
    const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', csr]
    await succeed('openssl', ['req', '-new', ...made, ...subject])
    const { stdout } = requireSuccess(await dehydrated.run(['--signcsr', csr, '--full-chain']))
    const fullchain = join(dehydrated.folder, 'own.pem')
    writeFileSync(fullchain, stdout)
    await expectGood(server, cutChain(fullchain, key), 'csr.localhost')
  })

  it('revokes by its account: OCSP and the CRL say so', async () => {
    for (const name of ['web.localhost', 'wild.test', 'alpn.localhost']) {
      const files = dehydrated.files(name)
      const kept = { ...files, cert: join(dehydrated.folder, 'kept.pem') }
      copyFileSync(files.cert, kept.cert)
      requireSuccess(await dehydrated.run(['--revoke', files.cert]))
      await expectRevoked(server, kept)
    }
  })

  it('is told why a proof fails', async () => {
    const nothing = writeHook(dehydrated.folder, 'nothing', 'true')
    const args = ['--cron', '--domain', 'plain.test']
    const { code, stderr } = await dehydrated.run(args, { ...byDns, HOOK: nothing })
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/urn:ietf:params:acme:error:(unauthorized|incorrectResponse|dns)/)
    expect(stderr).toContain('_acme-challenge.plain.test')
  })

  it('ends its account', async () => {
    // It fails unless the server shows the account as deactivated.
    requireSuccess(await dehydrated.run(['--deactivate']))
  })
})
