import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certbotOf, requireSuccess } from '../helpers/acmeClients.ts'
import { cliJson } from '../helpers/cliUsers.ts'
import { cutChain } from '../helpers/pemChain.ts'
import { run, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { uacmeOf } from '../helpers/uacme.ts'
import { expectGood, expectRevoked } from '../helpers/verdicts.ts'
import { serveWebFolder, type WebFolder } from '../helpers/webFolder.ts'

const requests = [
  {
    kind: 'a common name and another name',
    stem: 'both',
    subject: ['-subj', '/CN=tiny.localhost', '-addext', 'subjectAltName=DNS:also.tiny.localhost'],
    names: ['tiny.localhost', 'also.tiny.localhost'],
  },
  { kind: 'a common name alone', stem: 'alone', subject: ['-subj', '/CN=alone.localhost'], names: ['alone.localhost'] },
  {
    kind: 'no common name',
    stem: 'none',
    subject: ['-subj', '/', '-addext', 'subjectAltName=DNS:none.localhost'],
    names: ['none.localhost'],
  },
]

/** It knows http-01 alone, cannot revoke, and takes an account key and a CSR that openssl has made. */
describe('acme-tiny', () => {
  let server: ServerProcess
  let web: WebFolder
  let folder: string
  let accountKey: string

  beforeAll(async () => {
    server = await startServer()
    folder = mkdtempSync(join(server.workFolder, 'acme-tiny-'))
    web = await serveWebFolder(join(folder, 'tokens'), server.http01Port)
    accountKey = join(folder, 'account.key')
    await succeed('openssl', ['genrsa', '-out', accountKey, '4096'])
  })
  afterAll(async () => {
    await web.close()
    await server.stop()
  })

  const csr = async (stem: string, subject: string[], kind = ['-newkey', 'rsa:2048']) => {
    const [key, request] = [join(folder, `${stem}.key`), join(folder, `${stem}.csr`)]
    await succeed('openssl', ['req', '-new', ...kind, '-nodes', '-keyout', key, '-out', request, ...subject])
    return { key, request }
  }
  // Names below localhost mean this machine to the server, but not to the system's resolver: no check of its own.
  const tiny = (request: string, more: string[] = []) =>
    run(
      'acme-tiny',
      [
        ...['--account-key', accountKey, '--csr', request, '--acme-dir', web.folder, '--disable-check'],
        ...['--directory-url', server.directory, ...more],
      ],
      { env: { SSL_CERT_FILE: server.rootPem } },
    )
  const issue = async (stem: string, subject: string[], more: string[] = []) => {
    const { key, request } = await csr(stem, subject)
    const fullchain = join(folder, `${stem}.pem`)
    writeFileSync(fullchain, requireSuccess(await tiny(request, more)).stdout)
    return { files: cutChain(fullchain, key), request }
  }

  it.each(requests)('issues for a CSR with $kind', async ({ stem, subject, names }) => {
    const { files } = await issue(stem, subject)
    await expectGood(server, files, ...names)
    expect(web.asked.length).toBeGreaterThan(0)
  })

  it('renews with the same CSR, once it has told its contact', async () => {
    const { files, request } = await issue('again', ['-subj', '/CN=again.localhost'])
    const serial = await expectGood(server, files, 'again.localhost')
    const { stdout, stderr } = requireSuccess(await tiny(request, ['--contact', 'mailto:somebody@example.org']))
    expect(stderr).toContain('Already registered!')
    expect(stderr).toContain('Updated contact details:\nmailto:somebody@example.org')
    expect(stderr).toMatch(/Already verified: again\.localhost|again\.localhost verified!/)
    writeFileSync(join(folder, 'renewed.pem'), stdout)
    const renewed = cutChain(join(folder, 'renewed.pem'), files.key)
    expect(await expectGood(server, renewed, 'again.localhost')).not.toBe(serial)
  })

  it('has its certificates revoked by their keys, through uacme and certbot', async () => {
    const one = await issue('one', ['-subj', '/CN=one.localhost'])
    requireSuccess(await uacmeOf(server).revoke(one.files, 'key'))
    await expectRevoked(server, one.files)

    const two = await issue('two', ['-subj', '/CN=two.localhost'])
    const proof = ['--cert-path', two.files.cert, '--key-path', two.files.key, '--server', server.directory]
    requireSuccess(await certbotOf(server).run(['revoke', ...proof, '--no-delete-after-revoke']))
    await expectRevoked(server, two.files)
  })

  // Windows clients sign like this, whatever the curve.
  it('issues for a CSR of P-384 signed with SHA-512', async () => {
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha512']
    const { key, request } = await csr('p384', ['-subj', '/CN=p384.localhost'], kind)
    const fullchain = join(folder, 'p384.pem')
    writeFileSync(fullchain, requireSuccess(await tiny(request)).stdout)
    await expectGood(server, cutChain(fullchain, key), 'p384.localhost')
  })

  // acme.sh asks for both unless it is told otherwise.
  it('gets a certificate for servers when it asks for both purposes; a strict profile tells it which it does not issue', async () => {
    const purposes = ['-subj', '/CN=purpose.localhost', '-addext', 'extendedKeyUsage=serverAuth,clientAuth']
    const { files, request } = await issue('both-purposes', purposes)
    await expectGood(server, files, 'purpose.localhost')
    expect(new X509Certificate(readFileSync(files.cert)).keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    const like = await cliJson<Record<string, unknown>>(server, ['profile', 'export', 'default'])
    const input = JSON.stringify({ ...like, name: 'strict', settings: {} })
    await cliJson(server, ['profile', 'set', '-f', '-'], { input })
    const strict = server.directory.replace('/default/', '/strict/')
    const { code, stderr } = await tiny(request, ['--directory-url', strict])
    expect(code).not.toBe(0)
    expect(stderr).toContain('urn:ietf:params:acme:error:badCSR')
    expect(stderr).toMatch(/extended key usages that this profile does not issue/)
  })

  it('is refused a CSR that asks for a name beside those of the order', async () => {
    const names = 'subjectAltName=DNS:mixed.localhost,email:somebody@example.org'
    const { request } = await csr('mixed', ['-subj', '/CN=mixed.localhost', '-addext', names])
    const { code, stderr } = await tiny(request)
    expect(code).not.toBe(0)
    expect(stderr).toContain('urn:ietf:params:acme:error:badCSR')
  })
})
