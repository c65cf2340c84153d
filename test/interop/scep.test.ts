import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pemDecode } from '../../src/pki/pem.ts'
import { requireSuccess } from '../helpers/acmeClients.ts'
import {
  administrator,
  type CliUser,
  cliJson,
  type ListedRequest,
  listRequests,
  newCliUser,
} from '../helpers/cliUsers.ts'
import { serialOf } from '../helpers/openssl.ts'
import { pem } from '../helpers/pkiSamples.ts'
import { run, succeed } from '../helpers/program.ts'
import { csrOf, device, readReply, scepMessage } from '../helpers/scepClient.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { type Strongswan, strongswanOf } from '../helpers/strongswan.ts'
import { until } from '../helpers/until.ts'

const SUBMIT = '/usr/lib/certmonger/scep-submit'
const auto = [{ name: 'nobody looks', auto: true }]
const sameNames = [{ name: 'same names', when: 'certificate.present && certificate.sameNames', auto: true }]
const review = [{ name: 'alice looks', require: [{ users: ['alice'] }] }]
const profiles = [
  { name: 'open', rules: { issue: auto, renew: sameNames, rekey: sameNames } },
  { name: 'guarded', rules: { issue: review, renew: sameNames, rekey: sameNames } },
  { name: 'bound', rules: { issue: [{ name: 'entitled', when: 'entitled', auto: true }, ...review] } },
]
/** What scepclient 2.1 speaks, whatever it is told. */
const legacy = { digests: ['sha1', 'sha256'], ciphers: ['des-cbc', 'aes-128-cbc'], caCertificates: 'single' }

describe.each([
  { kind: 'EC', authority: 'issuing', above: 2 },
  { kind: 'RSA', authority: 'rsa-issuing', above: 2 },
])('SCEP clients and an $kind authority', ({ kind, authority, above }) => {
  let server: ServerProcess
  let alice: CliUser
  let admin: CliUser
  let open: Strongswan
  const url = (profile: string) => `${server.httpUrl}/scep/${profile}`

  beforeAll(async () => {
    server = await startServer()
    alice = await newCliUser(server, 'alice')
    admin = await administrator(server)
    if (kind === 'RSA') {
      const subject = (name: string) => ['--subject', `CN=${name}`, '--key', 'RSA-2048']
      await cliJson(server, ['authority', 'create', 'rsa-root', ...subject('RSA Root')])
      await cliJson(server, ['authority', 'create', authority, '--parent', 'rsa-root', ...subject('RSA Issuing')])
    }
    for (const profile of profiles) await save({ ...profile, protocols: { scep: {} } })
    await save({ name: 'legacy', rules: { issue: auto }, protocols: { scep: legacy } })
    // scepclient 2.1 takes the last of several certificates for the one to write to.
    await save({ name: 'single', rules: { issue: auto }, protocols: { scep: { caCertificates: 'single' } } })
    open = strongswanOf(server, 'strongswan', url('open'))
  })
  afterAll(() => server.stop())

  async function save(profile: object): Promise<void> {
    requireSuccess(
      await server.cli(['profile', 'set', '-f', '-'], { input: JSON.stringify({ authority, ...profile }) }),
    )
  }

  /** openssl's judgement of a certificate under the authority's chain. */
  async function verify(client: Strongswan, cert: string, name: string): Promise<void> {
    const [root = '', ...others] = client.cas
    const untrusted = others.flatMap((file) => ['-untrusted', file])
    const host = ['-purpose', 'sslserver', '-verify_hostname', name]
    const said = await succeed('openssl', ['verify', '-x509_strict', ...host, '-CAfile', root, ...untrusted, cert])
    expect(said).toContain('OK')
  }

  it('26, 27: strongSwan pki --scepca fetches and trusts the chain, and tells the RA', async () => {
    const said = await open.fetchCas(above)
    expect(said).toContain('RA cert is trusted')
    for (const file of [open.ra, ...open.cas]) expect(existsSync(file), file).toBe(true)
  })

  it('SC1, SC3, 35: strongSwan pki --scep enrols, by AES and SHA-256', async () => {
    const key = await open.newKey('one')
    const cert = await open.enrol({ name: 'one.localhost', key, dn: 'C=CH, O=x, CN=one.localhost' })
    await verify(open, cert, 'one.localhost')
  })

  it.each([
    ['aes', 'sha512'],
    ['des3', 'sha384'],
  ])('30, 35: strongSwan enrols by %s and %s', async (cipher, digest) => {
    const name = `${cipher}-${digest}.localhost`
    const more = ['--cipher', cipher, '--digest', digest]
    const cert = await open.enrol({ name, key: await open.newKey(name), dn: `CN=${name}`, more })
    await verify(open, cert, name)
  })

  it('SC7: strongSwan renews with RenewalReq and a new key', async () => {
    const key = await open.newKey('old')
    const name = 'renewed.localhost'
    const cert = await open.enrol({ name, key, dn: `CN=${name}` })
    const before = await serialOf(cert)
    const old = join(open.folder, 'old.pem')
    writeFileSync(old, readFileSync(cert))
    const renewed = await open.enrol({ name, key: await open.newKey('new'), dn: `CN=${name}`, old: { cert: old, key } })
    expect(await serialOf(renewed)).not.toBe(before)
    await verify(open, renewed, name)
  })

  it('4.4: strongSwan polls until a person approves', async () => {
    const guarded = strongswanOf(server, 'guarded', url('guarded'))
    await guarded.fetchCas(above)
    const name = 'waits.localhost'
    const client = guarded.begin({ name, key: await guarded.newKey('waits'), dn: `CN=${name}`, more: ['--debug', '2'] })
    const { id } = await until<ListedRequest>('a waiting request', async () => {
      if (client.child.exitCode !== null) throw new Error(JSON.stringify(await client.ended))
      return (await listRequests(server, ['--status', 'requested'])).find(({ names }) => names.includes(name))
    })
    await until('a poll', async () => client.output().stderr.includes('PENDING') || undefined)
    requireSuccess(await server.cli(['request', 'approve', String(id), '--yes'], { token: alice.token }))
    const { stdout } = requireSuccess(await client.ended)
    const cert = join(guarded.folder, 'waits.pem')
    writeFileSync(cert, stdout)
    await verify(guarded, cert, name)
  })

  it('strongSwan says why, when a person denies', async () => {
    const guarded = strongswanOf(server, 'denied', url('guarded'))
    await guarded.fetchCas(above)
    const name = 'denied.localhost'
    const client = guarded.begin({
      name,
      key: await guarded.newKey('denied'),
      dn: `CN=${name}`,
      more: ['--debug', '2'],
    })
    const { id } = await until<ListedRequest>('a waiting request', async () =>
      (await listRequests(server, ['--status', 'requested'])).find(({ names }) => names.includes(name)),
    )
    const words = ['request', 'deny', String(id), '--yes', '--reason', 'sold']
    requireSuccess(await server.cli(words, { token: alice.token }))
    const { code, stderr } = await client.ended
    expect(code).not.toBe(0)
    expect(stderr).toContain('FAILURE')
  })

  it('strongSwan enrols by a one-time challenge for its name, and is refused with another', async () => {
    const bound = strongswanOf(server, 'bound', url('bound'))
    await bound.fetchCas(above)
    const name = 'printer.localhost'
    const { challenge } = await cliJson<{ challenge: string }>(
      server,
      ['challenge', 'create', '--profile', 'bound', '--dns', name],
      { token: admin.token },
    )
    const wrong = bound.begin({
      name,
      key: await bound.newKey('wrong'),
      dn: `CN=${name}`,
      password: 'WRONG',
      more: ['--debug', '2'],
    })
    expect((await wrong.ended).stderr).toContain('FAILURE')
    const key = await bound.newKey('right')
    await verify(bound, await bound.enrol({ name, key, dn: `CN=${name}`, password: challenge }), name)
    const used = bound.begin({ name, key: await bound.newKey('again'), dn: `CN=${name}`, password: challenge })
    expect((await used.ended).code).not.toBe(0)
  })

  if (kind === 'EC')
    it('the profile of the first start: a challenge for the name enrols, without one a person is asked', async () => {
      const name = 'vpn.localhost'
      const any = strongswanOf(server, 'first-start', `${server.httpUrl}/cgi-bin/pkiclient.exe`)
      await any.fetchCas(above)
      const waiting = any.begin({ name, key: await any.newKey('waiting'), dn: `CN=${name}`, more: ['--debug', '2'] })
      await until('an answer', async () => waiting.output().stderr.includes('PENDING') || undefined)
      waiting.child.kill('SIGKILL')
      const words = ['challenge', 'create', '--profile', 'default', '--dns', name]
      const { challenge } = await cliJson<{ challenge: string }>(server, words, { token: admin.token })
      const cert = await any.enrol({ name, key: await any.newKey('vpn'), dn: `CN=${name}`, password: challenge })
      await verify(any, cert, name)
    })

  it('SC10, 6: scepclient, by single DES and SHA-1, in a profile that allows both', async () => {
    const folder = strongswanOf(server, 'scepclient', url('legacy')).folder
    const args = [
      '-server-url',
      url('legacy'),
      '-cn',
      'old.localhost',
      '-certificate',
      'c.pem',
      '-private-key',
      'k.pem',
    ]
    const { code, stdout, stderr } = await run('scepclient', args, { cwd: folder, timeout: 60_000 })
    expect(code, `${stdout}${stderr}`).toBe(0)
    expect(await succeed('openssl', ['x509', '-in', join(folder, 'c.pem'), '-noout', '-subject'])).toContain(
      'old.localhost',
    )
  })

  it('SC10: scepclient is told badAlg by a profile that does not', async () => {
    const folder = strongswanOf(server, 'scepclient-refused', url('single')).folder
    const args = [
      '-server-url',
      url('single'),
      '-cn',
      'old.localhost',
      '-certificate',
      'c.pem',
      '-private-key',
      'k.pem',
    ]
    const { code, stdout, stderr } = await run('scepclient', args, { cwd: folder, timeout: 60_000 })
    expect(code).not.toBe(0)
    expect(`${stdout}${stderr}`).toContain('badAlg')
  })

  it('SC4, SC5: certmonger’s scep-submit reads capabilities and certificates, and sends a message by GET', async () => {
    const caps = await run(SUBMIT, ['-u', url('open'), '-c'])
    expect(caps.stdout).toContain('Renewal')
    const cas = await run(SUBMIT, ['-u', `${server.httpUrl}/scep/open/pkiclient.exe`, '-C'])
    expect(cas.code, cas.stderr).toBe(0)
    const [ra] = pemDecode(cas.stdout)
    const by = device('certmonger')
    const data = csrOf(by, { subject: { CN: 'certmonger.localhost' } })
    const message = await scepMessage({ data, by, to: ra?.der ?? Buffer.alloc(0), transactionId: '7'.repeat(77) })
    const file = join(open.folder, 'message.pem')
    writeFileSync(file, pem(message, 'PKCS7'))
    const trust = ['-r', open.ra, '-N', open.cas[0] ?? '', '-I', open.cas.at(-1) ?? '']
    const sent = await run(SUBMIT, ['-u', url('open'), ...trust, '-p', file])
    expect(sent.code, `${sent.stdout}${sent.stderr}`).toBe(0)
    expect(sent.stdout).toContain('BEGIN PKCS7')
    expect(sent.stdout).not.toContain('Error')
  })

  it('certmonger’s scep-submit understands PENDING and FAILURE', async () => {
    const by = device('certmonger waits')
    const trust = ['-N', open.cas[0] ?? '', '-I', open.cas.at(-1) ?? '']
    const submit = async (profile: string, challenge?: string) => {
      const cas = await run(SUBMIT, ['-u', url(profile), '-C'])
      const [ra] = pemDecode(cas.stdout)
      const raFile = join(open.folder, `${profile}-ra.pem`)
      writeFileSync(raFile, pem(ra?.der ?? Buffer.alloc(0)))
      const wishes = { subject: { CN: 'certmonger-waits.localhost' }, ...(challenge ? { challenge } : {}) }
      const message = await scepMessage({ data: csrOf(by, wishes), by, to: ra?.der ?? Buffer.alloc(0) })
      const file = join(open.folder, `${profile}.pem`)
      writeFileSync(file, pem(message, 'PKCS7'))
      return run(SUBMIT, ['-u', url(profile), '-r', raFile, ...trust, '-p', file])
    }
    const pending = await submit('guarded')
    expect(pending.code, `${pending.stdout}${pending.stderr}`).toBe(1)
    const failure = await submit('bound', 'no such challenge')
    expect(failure.code, `${failure.stdout}${failure.stderr}`).toBe(2)
  })

  it('openssl cms verifies our answer and opens its envelope', async () => {
    const by = device('openssl reads')
    const [ra] = pemDecode(readFileSync(open.ra, 'utf8'))
    const data = csrOf(by, { subject: { CN: 'openssl.localhost' } })
    const body = await scepMessage({ data, by, to: ra?.der ?? Buffer.alloc(0), transactionId: 'openssl' })
    const answer = await fetch(`${url('open')}?operation=PKIOperation`, { method: 'POST', body: new Uint8Array(body) })
    const bytes = Buffer.from(await answer.arrayBuffer())
    expect((await readReply(bytes, by)).pkiStatus).toBe('SUCCESS')
    const at = (name: string) => join(open.folder, name)
    writeFileSync(at('reply.der'), bytes)
    writeFileSync(at('by.pem'), pem(by.certificate))
    writeFileSync(at('by.key'), by.key.export({ type: 'pkcs8', format: 'pem' }))
    const cms = ['cms', '-binary', '-inform', 'DER']
    const bundle = at('cas.pem')
    writeFileSync(bundle, open.cas.map((file) => readFileSync(file, 'utf8')).join(''))
    const trust = ['-CAfile', bundle, '-purpose', 'any']
    await succeed('openssl', [...cms, '-verify', '-in', at('reply.der'), ...trust, '-out', at('inner.der')])
    const opened = ['-recip', at('by.pem'), '-inkey', at('by.key'), '-out', at('certs.p7')]
    await succeed('openssl', [...cms, '-decrypt', '-in', at('inner.der'), ...opened])
    const shown = await succeed('openssl', ['pkcs7', '-inform', 'DER', '-in', at('certs.p7'), '-print_certs', '-noout'])
    expect(shown).toContain('openssl.localhost')
  })
})
