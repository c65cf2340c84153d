import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certbot, certbotFiles, certbotOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { databases } from '../helpers/databases.ts'
import { crlEntry, crlText, ocspStatus, serialOf, verifyChain } from '../helpers/openssl.ts'
import { run, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

const name = 'www.localhost'

describe.each(databases)('certbot with the server on $name', ({ name: dialect, openEmpty }) => {
  let server: ServerProcess
  let certbot: Certbot
  let closeDatabase = async () => {}

  beforeAll(async () => {
    const postgres = dialect === 'postgres' ? await openEmpty() : undefined
    if (postgres) closeDatabase = postgres.close
    server = await startServer(postgres ? { databaseUrl: postgres.url } : {})
    certbot = certbotOf(server)
  })
  afterAll(async () => {
    await server.stop()
    await closeDatabase()
  })

  it('gets its first certificate by the command that the first start prints', async () => {
    const command = server
      .output()
      .stdout.split('\n')
      .find((line) => line.includes('certbot certonly'))
    expect(command).toContain(`--server ${server.directory} -d demo.localhost`)
    await succeed('bash', ['-c', command ?? 'false'], { cwd: server.workFolder })
    const files = requireFiles(certbotFiles(join(server.workFolder, 'certbot'), 'demo.localhost'))
    expect(await verifyChain(server, files, 'demo.localhost')).toContain('OK')
  })

  it('issues for several names, and openssl trusts the chain by the root', async () => {
    requireSuccess(await certbot.certonly([name, 'mail.localhost'], ['--key-type', 'rsa']))
    const files = requireFiles(certbot.files(name))
    expect(await verifyChain(server, files, name)).toContain('OK')
    expect(await verifyChain(server, files, 'mail.localhost')).toContain('OK')
    await expect(verifyChain(server, files, 'other.localhost')).rejects.toThrow('hostname mismatch')
    expect((await ocspStatus(server, files)).status).toBe('good')
  })

  it('renews with --force-renewal: another serial number, the old one stays good', async () => {
    const before = await serialOf(certbot.files(name).cert)
    requireSuccess(await certbot.run(['renew', '--force-renewal', '--no-random-sleep-on-renew']))
    expect(await serialOf(certbot.files(name).cert)).not.toBe(before)
    expect(await verifyChain(server, certbot.files(name), name)).toContain('OK')
    const old = { ...certbot.files(name), cert: join(certbot.folder, 'archive', name, 'cert1.pem') }
    expect(await serialOf(old.cert)).toBe(before)
    expect((await ocspStatus(server, old)).status).toBe('good')
  })

  it('revokes by its account: OCSP and the CRL say so', async () => {
    const files = certbot.files(name)
    const serial = await serialOf(files.cert)
    expect(crlEntry(await crlText(server, files), serial).listed).toBe(false)
    const revoke = ['revoke', '--cert-path', files.cert, '--server', server.directory, '--no-delete-after-revoke']
    requireSuccess(await certbot.run([...revoke, '--reason', 'superseded']))
    const { status, verified, text } = await ocspStatus(server, files)
    expect(status, text).toBe('revoked')
    expect(verified, text).toBe(true)
    expect(text).toContain('Reason: superseded')
    expect(crlEntry(await crlText(server, files), serial)).toEqual({ listed: true, reason: 'Superseded' })

    const again = await certbot.run([...revoke, '--reason', 'superseded'])
    expect(again.code).not.toBe(0)
    expect(`${again.stdout}${again.stderr}${certbot.log()}`).toContain('alreadyRevoked')
  })

  it('revokes with the key of the certificate, without the account', async () => {
    const archive = join(certbot.folder, 'archive', name)
    const old = { ...certbot.files(name), cert: join(archive, 'cert1.pem') }
    const stranger = certbotOf(server)
    const proof = ['--cert-path', old.cert, '--key-path', join(archive, 'privkey1.pem'), '--server', server.directory]
    requireSuccess(await stranger.run(['revoke', ...proof, '--reason', 'keycompromise', '--no-delete-after-revoke']))
    expect((await ocspStatus(server, old)).text).toContain('Reason: keyCompromise')
    expect(crlEntry(await crlText(server, old), await serialOf(old.cert))).toMatchObject({ listed: true })
  })

  it('is told why a name cannot be validated', async () => {
    const lonely = certbotOf(server)
    // Nobody answers on the port that is asked: certbot listens on another one.
    const { code, stdout, stderr } = await lonely.certonly(
      ['lonely.localhost'],
      ['--http-01-port', String(server.tlsAlpn01Port)],
    )
    expect(code).not.toBe(0)
    expect(`${stdout}${stderr}`).toMatch(/127\.0\.0\.1|refused/)
    expect(lonely.log()).toContain('urn:ietf:params:acme:error:connection')
  })

  it('keeps what it did over a restart', async () => {
    await server.kill('SIGTERM')
    await server.restart()
    const other = certbotOf(server)
    requireSuccess(await other.certonly(['after.localhost']))
    expect(await verifyChain(server, other.files('after.localhost'), 'after.localhost')).toContain('OK')
    requireSuccess(await certbot.certonly([name], ['--force-renewal', '--cert-name', 'again']))
    expect(
      (await run('openssl', ['x509', '-in', certbot.files('again').cert, '-noout', '-checkhost', name])).stdout,
    ).toContain('does match')
    expect(readFileSync(server.rootPem, 'utf8')).toContain('BEGIN CERTIFICATE')
  })
})
