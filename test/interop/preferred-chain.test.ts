import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateFiles, certbotOf, legoOf, requireFiles, requireSuccess } from '../helpers/acmeClients.ts'
import { run, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** A root of somebody else, made by openssl, which signs the issuing authority's name and key. */
describe('--preferred-chain', () => {
  let server: ServerProcess
  let otherRoot: string
  beforeAll(async () => {
    server = await startServer()
    otherRoot = join(server.workFolder, 'other.pem')
    await crossSign()
  })
  afterAll(() => server.stop())

  async function crossSign(): Promise<void> {
    const file = (name: string) => join(server.workFolder, name)
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file('other.key')]
    const ca = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign']
    await succeed('openssl', [
      'req',
      '-x509',
      ...key,
      '-subj',
      '/CN=Other Root',
      ...ca,
      '-days',
      '3650',
      '-out',
      otherRoot,
    ])
    const shown = requireSuccess(await server.cli(['authority', 'show', 'issuing', '--json']))
    writeFileSync(file('issuing.pem'), JSON.parse(shown.stdout).pem)
    const publicKey = await succeed('openssl', ['x509', '-in', file('issuing.pem'), '-noout', '-pubkey'])
    writeFileSync(file('issuing.pub'), publicKey)
    const extensions =
      'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nauthorityKeyIdentifier=keyid\n'
    const identifier = await succeed('openssl', [
      'x509',
      '-in',
      file('issuing.pem'),
      '-noout',
      '-ext',
      'subjectKeyIdentifier',
    ])
    writeFileSync(file('ext'), `${extensions}subjectKeyIdentifier=${identifier.trim().split(/\s+/).at(-1)}\n`)
    const subject = ['-force_pubkey', file('issuing.pub'), '-subj', '/CN=countersign Issuing CA']
    const issuer = ['-CA', otherRoot, '-CAkey', file('other.key'), '-CAcreateserial']
    const args = [
      'x509',
      '-new',
      ...subject,
      ...issuer,
      '-extfile',
      file('ext'),
      '-days',
      '3650',
      '-out',
      file('cross.pem'),
    ]
    await succeed('openssl', args)
    writeFileSync(file('chain.pem'), readFileSync(file('cross.pem'), 'utf8') + readFileSync(otherRoot, 'utf8'))
    requireSuccess(await server.cli(['authority', 'add-chain', 'issuing', '--pem', file('chain.pem')]))
  }

  async function verifies({ cert, chain }: CertificateFiles, root: string): Promise<boolean> {
    const { code } = await run('openssl', ['verify', '-x509_strict', '-CAfile', root, '-untrusted', chain, cert])
    return code === 0
  }

  it.each([
    { chosen: 'Other Root', other: true },
    { chosen: 'countersign Root CA', other: false },
    { chosen: 'Nobody Root', other: false },
  ])('certbot gets the chain below $chosen, or the default one', async ({ chosen, other }) => {
    const certbot = certbotOf(server)
    requireSuccess(await certbot.certonly(['certbot.localhost'], ['--preferred-chain', chosen]))
    const files = requireFiles(certbot.files('certbot.localhost'))
    expect(await verifies(files, otherRoot)).toBe(other)
    expect(await verifies(files, server.rootPem)).toBe(!other)
  })

  it.each([
    { chosen: 'Other Root', other: true },
    { chosen: 'countersign Root CA', other: false },
    { chosen: 'Nobody Root', other: false },
  ])('lego gets the chain below $chosen, or the default one', async ({ chosen, other }) => {
    const lego = legoOf(server)
    requireSuccess(await lego.run('run', ['lego.localhost'], { args: ['--preferred-chain', chosen] }))
    const files = requireFiles(lego.files('lego.localhost'))
    expect(await verifies(files, otherRoot)).toBe(other)
    expect(await verifies(files, server.rootPem)).toBe(!other)
  })
})
