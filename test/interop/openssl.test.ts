import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateFiles, legoOf, requireSuccess } from '../helpers/acmeClients.ts'
import { ocspStatus, serialOf } from '../helpers/openssl.ts'
import { run, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

const name = 'judge.localhost'

describe('openssl reads what the server hands out', () => {
  let server: ServerProcess
  let files: CertificateFiles

  beforeAll(async () => {
    server = await startServer()
    const lego = legoOf(server)
    requireSuccess(await lego.run('run', [name, 'second.localhost']))
    files = lego.files(name)
  })
  afterAll(() => server.stop())

  const x509 = (file: string, ...args: string[]) => succeed('openssl', ['x509', '-in', file, '-noout', ...args])

  it('the root signs itself, the issuing authority is the root’s, and the certificate is the issuing authority’s', async () => {
    const verify = (...args: string[]) => succeed('openssl', ['verify', '-x509_strict', '-check_ss_sig', ...args])
    const { rootPem } = server
    expect(await verify('-CAfile', rootPem, rootPem)).toContain('OK')
    expect(await verify('-CAfile', rootPem, files.chain)).toContain('OK')
    expect(await verify('-CAfile', rootPem, '-untrusted', files.chain, files.cert)).toContain('OK')
    const alone = await run('openssl', ['verify', '-CAfile', rootPem, files.cert])
    expect(alone.code).not.toBe(0)
    expect(alone.stderr).toContain('unable to get local issuer certificate')
  })

  it('every certificate is DER without a rest', async () => {
    for (const file of [server.rootPem, files.chain, files.cert]) {
      const [, base64 = ''] = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(readFileSync(file, 'utf8')) ?? []
      const der = join(server.workFolder, 'one.der')
      writeFileSync(der, Buffer.from(base64, 'base64'))
      const parsed = await succeed('openssl', ['asn1parse', '-inform', 'DER', '-in', der])
      const top = parsed.split('\n').filter((line) => /^\s*\d+:d=0 /.test(line))
      expect(top).toHaveLength(1)
      expect(parsed).not.toContain('Error')
    }
  })

  it('the certificate is for its names, for servers, and for no authority', async () => {
    expect(await x509(files.cert, '-checkhost', name)).toContain('does match')
    expect(await x509(files.cert, '-checkhost', 'second.localhost')).toContain('does match')
    expect(await x509(files.cert, '-checkhost', 'third.localhost')).toContain('does NOT match')
    const purposes = await x509(files.cert, '-purpose')
    expect(purposes).toContain('SSL server : Yes')
    expect(purposes).toContain('SSL server CA : No')
    expect(await x509(files.cert, '-checkend', String(80 * 86_400))).toContain('will not expire')
  })

  it('the authorities may sign certificates and CRLs, the issuing one no further authority', async () => {
    const issuing = await x509(files.chain, '-text')
    expect(issuing).toContain('CA:TRUE, pathlen:0')
    expect(issuing).toContain('Certificate Sign, CRL Sign')
    expect(await x509(server.rootPem, '-text')).toContain('CA:TRUE')
    expect(await x509(server.rootPem, '-subject')).toContain('countersign Root CA')
  })

  it('what the certificate names as its issuer’s place has the issuer', async () => {
    const access = await x509(files.cert, '-ext', 'authorityInfoAccess')
    const url = /CA Issuers - URI:(\S+)/.exec(access)?.[1] ?? ''
    const answer = await fetch(url)
    expect(answer.status).toBe(200)
    const issuer = join(server.workFolder, 'issuer.cer')
    writeFileSync(issuer, Buffer.from(await answer.arrayBuffer()))
    const fetched = await succeed('openssl', [
      'x509',
      '-inform',
      'DER',
      '-in',
      issuer,
      '-noout',
      '-fingerprint',
      '-sha256',
    ])
    expect(fetched).toBe(await x509(files.chain, '-fingerprint', '-sha256'))
  })

  it('the responder knows the certificate, and no other serial number', async () => {
    expect(await ocspStatus(server, files)).toMatchObject({ status: 'good', verified: true })
    const url = (await x509(files.cert, '-ocsp_uri')).trim()
    const other = `0x${(await serialOf(files.cert)).replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))}`
    const args = ['ocsp', '-issuer', files.chain, '-serial', other, '-url', url, '-CAfile', server.rootPem]
    const { stdout } = await run('openssl', [...args, '-verify_other', files.chain])
    expect(stdout).toMatch(/: (unknown|revoked)/)
    expect(stdout).not.toContain(': good')
  })

  it('the server itself shows a certificate of its own authority', async () => {
    const connect = [
      's_client',
      '-connect',
      new URL(server.baseUrl).host,
      '-servername',
      'localhost',
      '-verify_return_error',
    ]
    const { code, stdout } = await run('openssl', [
      ...connect,
      '-CAfile',
      server.rootPem,
      '-verify_hostname',
      'localhost',
    ])
    expect(stdout).toContain('Verify return code: 0 (ok)')
    expect(code).toBe(0)
  })
})
