import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pemDecode } from '../../src/pki/pem.ts'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { cliJson } from '../helpers/cliUsers.ts'
import { pem } from '../helpers/pkiSamples.ts'
import { run, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { type Strongswan, strongswanOf } from '../helpers/strongswan.ts'

const auto = [{ name: 'nobody looks', auto: true }]
const sameNames = [{ name: 'same names', when: 'certificate.present && certificate.sameNames', auto: true }]

interface Rollover {
  status: string
  pem: string
  newWithOld: string
  oldWithNew: string
}

describe.each(['P-256', 'RSA-2048'])('a rollover of a %s root, seen by SCEP clients and openssl', (key) => {
  let server: ServerProcess
  let client: Strongswan
  let oldRoot: string
  let oldLeaf: string
  const url = (profile: string) => `${server.httpUrl}/scep/${profile}`
  const file = (name: string) => join(server.workFolder, name)
  const rollover = (...args: string[]) => cliJson<Rollover>(server, ['authority', 'rollover', ...args])
  const verify = (root: string, cert: string, untrusted: string[] = []) =>
    run('openssl', [
      ...['verify', '-x509_strict', '-no-CAfile', '-no-CApath', '-CAfile', root],
      ...untrusted.flatMap((name) => ['-untrusted', name]),
      cert,
    ])
  const keep = (name: string, text: string) => {
    writeFileSync(file(name), text)
    return file(name)
  }

  beforeAll(async () => {
    server = await startServer()
    await cliJson(server, ['authority', 'create', 'rolled', '--subject', 'CN=Rolled Root', '--key', key])
    const rules = { issue: auto, renew: sameNames, rekey: sameNames }
    for (const [name, scep] of [
      ['rolled', {}],
      ['single', { caCertificates: 'single', digests: ['sha1', 'sha256'], ciphers: ['des-cbc', 'aes-128-cbc'] }],
    ] as const) {
      const profile = { name, authority: 'rolled', rules, protocols: { scep } }
      requireSuccess(await server.cli(['profile', 'set', '-f', '-'], { input: JSON.stringify(profile) }))
    }
    client = strongswanOf(server, 'before', url('rolled'))
    await client.fetchCas(1)
    oldRoot = client.cas[0] ?? ''
    oldLeaf = await client.enrol({ name: 'old.localhost', key: await client.newKey('old'), dn: 'CN=old.localhost' })
  })
  afterAll(() => server.stop())

  it('4.7.1: openssl cms verifies the answer to GetNextCACert under the current CA, and reads the next one', async () => {
    expect((await fetch(`${url('rolled')}?operation=GetNextCACert`)).status).toBe(404)
    expect((await rollover('prepare', 'rolled', '--lead', '5d')).status).toBe('prepared')
    expect(await (await fetch(`${url('rolled')}?operation=GetCACaps`)).text()).toContain('GetNextCACert')
    const answer = await fetch(`${url('rolled')}?operation=GetNextCACert`)
    expect(answer.headers.get('content-type')).toBe('application/x-x509-next-ca-cert')
    writeFileSync(file('next.der'), Buffer.from(await answer.arrayBuffer()))
    const cms = ['cms', '-verify', '-inform', 'DER', '-in', file('next.der'), '-CAfile', oldRoot]
    await succeed('openssl', [...cms, '-out', file('inner.der')])
    const printed = await succeed('openssl', ['pkcs7', '-inform', 'DER', '-in', file('inner.der'), '-print_certs'])
    const certificates = pemDecode((printed.match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? []).join('\n'))
    expect(printed.match(/subject=/g)).toHaveLength(2)
    expect(printed).toContain('CN = Rolled Root')
    const next = keep('next-root.pem', pem(certificates[1]?.der ?? Buffer.alloc(0)))
    const ra = keep('next-ra.pem', pem(certificates[0]?.der ?? Buffer.alloc(0)))
    expect((await verify(next, ra)).code).toBe(0)
    expect((await verify(oldRoot, ra)).code).not.toBe(0)
  })

  it('figure 9: strongSwan, given the next certificates, enrols under the next key before it takes over', async () => {
    const early = strongswanOf(server, 'early', url('rolled'))
    // It does not know GetNextCACert: what another program fetched is put where it looks.
    writeFileSync(early.ra, readFileSync(file('next-ra.pem')))
    early.cas.push(keep('early-ca.pem', readFileSync(file('next-root.pem'), 'utf8')))
    const name = 'early.localhost'
    const cert = await early.enrol({ name, key: await early.newKey('early'), dn: `CN=${name}` })
    expect((await verify(file('next-root.pem'), cert)).stdout).toContain('OK')
    expect((await verify(oldRoot, cert)).code).not.toBe(0)
  })

  it('after the takeover strongSwan and scepclient enrol, strongSwan renews what the old key signed, and polls by the old RA', async () => {
    expect((await rollover('activate', 'rolled')).status).toBe('active')
    expect((await fetch(`${url('rolled')}?operation=GetNextCACert`)).status).toBe(404)
    const after = strongswanOf(server, 'after', url('rolled'))
    await after.fetchCas(1)
    const name = 'new.localhost'
    const cert = await after.enrol({ name, key: await after.newKey('new'), dn: `CN=${name}` })
    const newRoot = after.cas[0] ?? ''
    expect(readFileSync(newRoot, 'utf8').trim()).toBe(readFileSync(file('next-root.pem'), 'utf8').trim())
    expect((await verify(newRoot, cert)).stdout).toContain('OK')
    const old = { cert: oldLeaf, key: join(client.folder, 'old.key') }
    const renewed = await after.enrol({
      name: 'old.localhost',
      key: await after.newKey('re'),
      dn: 'CN=old.localhost',
      old,
    })
    expect((await verify(newRoot, renewed)).stdout).toContain('OK')
    // Who still has the certificates of before gets an answer that the old RA signed.
    const late = await client.enrol({
      name: 'late.localhost',
      key: await client.newKey('late'),
      dn: 'CN=late.localhost',
    })
    expect((await verify(newRoot, late)).stdout).toContain('OK')
    const folder = strongswanOf(server, 'scepclient', url('single')).folder
    const args = ['-server-url', url('single'), '-cn', 'sc.localhost', '-certificate', 'c.pem', '-private-key', 'k.pem']
    const { code, stdout, stderr } = await run('scepclient', args, { cwd: folder, timeout: 60_000 })
    expect(code, `${stdout}${stderr}`).toBe(0)
    expect((await verify(newRoot, join(folder, 'c.pem'))).stdout).toContain('OK')
  })

  it('RFC 9810 4.4.2: openssl leads either root to what the other signed, by the link certificates and not without', async () => {
    const shown = await rollover('show', 'rolled')
    const newWithOld = keep('new-with-old.pem', shown.newWithOld)
    const oldWithNew = keep('old-with-new.pem', shown.oldWithNew)
    const newLeaf = join(server.workFolder, 'after', 'new.localhost.pem')
    const newRoot = file('next-root.pem')
    expect((await verify(oldRoot, oldLeaf)).stdout).toContain('OK')
    // Case 2: only the old root is trusted.
    expect((await verify(oldRoot, newLeaf)).code).not.toBe(0)
    expect((await verify(oldRoot, newLeaf, [newWithOld])).stdout).toContain('OK')
    // Case 3: only the new one is.
    expect((await verify(newRoot, oldLeaf)).code).not.toBe(0)
    expect((await verify(newRoot, oldLeaf, [oldWithNew])).stdout).toContain('OK')
  })

  it('CRL and OCSP of what the old key signed go on under the old key', async () => {
    const points = await succeed('openssl', ['x509', '-in', oldLeaf, '-noout', '-ext', 'crlDistributionPoints'])
    const crlUrl = /URI:(\S+)/.exec(points)?.[1] ?? ''
    writeFileSync(file('old.crl'), Buffer.from(await (await fetch(crlUrl)).arrayBuffer()))
    const crl = await run('openssl', ['crl', '-inform', 'DER', '-in', file('old.crl'), '-noout', '-CAfile', oldRoot])
    expect(crl.stderr).toContain('verify OK')
    const asked = ['ocsp', '-issuer', oldRoot, '-cert', oldLeaf, '-url', `${server.httpUrl}/ocsp/rolled`]
    const ocsp = await run('openssl', [...asked, '-CAfile', oldRoot, '-no_nonce'], { timeout: 30_000 })
    expect(`${ocsp.stdout}${ocsp.stderr}`).toMatch(/: good\n[\s\S]*Response verify OK/)
    const issuer = await succeed('openssl', ['x509', '-in', oldLeaf, '-noout', '-ext', 'authorityInfoAccess'])
    const caUrl = /CA Issuers - URI:(\S+)/.exec(issuer)?.[1] ?? ''
    const above = Buffer.from(await (await fetch(caUrl)).arrayBuffer())
    expect(above.equals(pemDecode(readFileSync(oldRoot, 'utf8'))[0]?.der ?? Buffer.alloc(0))).toBe(true)
  })
})

describe('a rollover of the installation’s own root and issuing authority', () => {
  let server: ServerProcess
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.stop())

  it('openssl s_client trusts the listener by the old root alone, and by the new one alone', async () => {
    const before = join(server.workFolder, 'before.pem')
    writeFileSync(before, readFileSync(server.rootPem))
    for (const name of ['root', 'issuing']) {
      for (const verb of ['prepare', 'activate']) await cliJson(server, ['authority', 'rollover', verb, name])
    }
    await server.kill('SIGKILL')
    await server.restart()
    const [next, old, ...more] = pemDecode(readFileSync(server.rootPem, 'utf8'))
    expect(more).toEqual([])
    expect(old?.der.equals(pemDecode(readFileSync(before, 'utf8'))[0]?.der ?? Buffer.alloc(0))).toBe(true)
    const after = join(server.workFolder, 'after.pem')
    writeFileSync(after, pem(next?.der ?? Buffer.alloc(0)))
    const { port } = new URL(server.baseUrl)
    for (const root of [before, after]) {
      const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-verify_return_error']
      const { stdout } = await run('openssl', [...args, '-no-CApath', '-CAfile', root], { input: '', timeout: 30_000 })
      expect(stdout).toContain('Verify return code: 0 (ok)')
    }
    const doctor = await server.cli(['doctor'])
    expect(doctor.stdout).not.toMatch(/^fail/m)
    const audit = await cliJson<{ problems: string[] }>(server, ['audit', 'verify'])
    expect(audit.problems).toEqual([])
  })
})
