import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { writeHook } from '../helpers/hooks.ts'
import { serialOf } from '../helpers/openssl.ts'
import { succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { type Uacme, uacmeOf } from '../helpers/uacme.ts'
import { startUalpn, type Ualpn } from '../helpers/ualpn.ts'
import { expectGood, expectRevoked } from '../helpers/verdicts.ts'
import { serveWebFolder, type WebFolder } from '../helpers/webFolder.ts'
import { startZoneFolder, type ZoneFolder } from '../helpers/zoneFolder.ts'

/** Called with method, type, name, token and value; refuses every type but one. */
const hookFor = (type: string, begin: string, end: string): string[] => [
  `[ "$2" = ${type} ] || exit 1`,
  'case "$1" in',
  `  begin) ${begin} ;;`,
  `  done|failed) ${end} ;;`,
  'esac',
]

describe('uacme', () => {
  let server: ServerProcess
  let zone: ZoneFolder
  let web: WebFolder
  let ualpn: Ualpn
  let uacme: Uacme
  let byHttp: string[]
  let byDns: string[]
  let byTls: string[]

  beforeAll(async () => {
    zone = await startZoneFolder()
    server = await startServer({ env: { COUNTERSIGN_RESOLVER: zone.dns.address } })
    uacme = uacmeOf(server)
    web = await serveWebFolder(join(uacme.folder, 'tokens'), server.http01Port)
    ualpn = await startUalpn(uacme.folder, server.tlsAlpn01Port, server.http01Port)
    const hook = (name: string, lines: string[]) => ['--hook', writeHook(uacme.folder, name, ...lines)]
    const record = `"${zone.folder}/_acme-challenge.$3"`
    const tell = (words: string) => `[ "$(echo "${words}" | ualpn --sock '${ualpn.socket}')" = OK ]`
    byHttp = hook('by-http', hookFor('http-01', `printf %s "$5" >"${web.folder}/$4"`, `rm "${web.folder}/$4"`))
    byDns = hook('by-dns', hookFor('dns-01', `echo "$5" >>${record}`, `rm -f ${record}`))
    byTls = hook('by-tls', hookFor('tls-alpn-01', tell('auth $3 $5'), tell('unauth $3')))
  })
  afterAll(async () => {
    await ualpn.stop()
    await web.close()
    await server.stop()
    await zone.close()
  })

  it('makes an account, and changes and removes its contact', async () => {
    requireSuccess(await uacme.run(['--type', 'EC', 'new', 'somebody@example.org']))
    requireSuccess(await uacme.run(['update', 'other@example.org']))
    requireSuccess(await uacme.run(['update']))
    const again = await uacme.run(['--never-create', 'new'])
    expect(again.stderr).toContain(`Account already exists at ${server.baseUrl}/`)
  })

  it('issues over http-01, and renews with --force only', async () => {
    const issue = (...more: string[]) => uacme.run([...byHttp, ...more, 'issue', 'web.localhost', 'www.web.localhost'])
    requireSuccess(await issue())
    const serial = await expectGood(server, uacme.files('web.localhost'), 'web.localhost', 'www.web.localhost')
    expect((await issue()).code, 'it asks our responder, which says good').toBe(1)
    requireSuccess(await issue('--force'))
    expect(await expectGood(server, uacme.files('web.localhost'), 'web.localhost')).not.toBe(serial)
    expect(web.asked.length).toBeGreaterThanOrEqual(2)
  })

  it('issues over dns-01 for a wildcard and its base', async () => {
    requireSuccess(await uacme.run([...byDns, '--type', 'EC', '--bits', '384', 'issue', '*.wild.test', 'wild.test']))
    await expectGood(server, uacme.files('wild.test'), 'wild.test', 'any.wild.test')
  })

  it('issues over tls-alpn-01, answered by ualpn', async () => {
    requireSuccess(await uacme.run([...byTls, 'issue', 'alpn.localhost', 'alpn2.localhost']))
    await expectGood(server, uacme.files('alpn.localhost'), 'alpn.localhost', 'alpn2.localhost')
  })

  it.each(['http-01', 'tls-alpn-01'])('issues for an address over %s', async (type) => {
    const own = uacmeOf(server)
    requireSuccess(await own.run(['new']))
    requireSuccess(await own.run([...(type === 'http-01' ? byHttp : byTls), 'issue', '127.0.0.1']))
    const { cert, chain } = own.files('127.0.0.1')
    const verify = ['verify', '-verify_ip', '127.0.0.1', '-CAfile', server.rootPem, '-untrusted', chain, cert]
    expect(await succeed('openssl', verify)).toContain('OK')
  })

  it('revokes by its account', async () => {
    const files = uacme.files('web.localhost')
    requireSuccess(await uacme.revoke(files, 'account', 4))
    await expectRevoked(server, files)
    const again = await uacme.revoke(files, 'account')
    expect(again.code).not.toBe(0)
    expect(again.stderr).toContain('urn:ietf:params:acme:error:alreadyRevoked')
  })

  it('notices by OCSP that a certificate is revoked, and gets another one without --force', async () => {
    const files = uacme.files('alpn.localhost')
    const serial = await serialOf(files.cert)
    requireSuccess(await uacme.revoke(files, 'account'))
    await expectRevoked(server, files)
    requireSuccess(await uacme.run([...byTls, 'issue', 'alpn.localhost', 'alpn2.localhost']))
    expect(await expectGood(server, uacme.files('alpn.localhost'), 'alpn.localhost')).not.toBe(serial)
  })

  it('revokes with the key of the certificate, without an account, after that of the order has ended', async () => {
    requireSuccess(await uacme.run(['deactivate']))
    const { code, stderr } = await uacme.run([...byHttp, '--force', 'issue', 'late.localhost'])
    expect(code).not.toBe(0)
    expect(stderr).toContain('urn:ietf:params:acme:error:unauthorized')
    const files = uacme.files('wild.test')
    requireSuccess(await uacmeOf(server).revoke(files, 'key', 1))
    await expectRevoked(server, files)
  })
})
