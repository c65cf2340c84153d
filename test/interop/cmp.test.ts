import { readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { crlEntry, crlText, ocspStatus, serialOf } from '../helpers/openssl.ts'
import { type OpensslCmp, review, startOpensslCmp } from '../helpers/opensslCmp.ts'
import { succeed } from '../helpers/program.ts'

describe('openssl cmp', () => {
  let client: OpensslCmp

  beforeAll(async () => {
    client = await startOpensslCmp()
    await client.save({ name: 'open' })
    await client.save({ name: 'guarded', rules: { issue: review, revoke: review } })
  }, 240_000)
  afterAll(() => client.server.stop())

  const texts = (...files: string[]) => files.map((file) => readFileSync(file, 'utf8').trim())

  it.each(['hmac-sha1', 'hmacWithSHA256'])(
    'CC1, CC2: ir under a shared secret by %s, confirmed over one connection; the root comes in caPubs',
    async (mac) => {
      const name = `${mac.toLowerCase()}.localhost`
      const [key, cert, chain] = [await client.newKey(`${name}.key`), client.file('ir.pem'), client.file('chain.pem')]
      const out = ['-certout', cert, '-chainout', chain, '-cacertsout', client.file('cas.pem')]
      const order = ['-newkey', key, '-subject', `/O=x/CN=${name}`, '-sans', name, '-mac', mac, '-keep_alive', '2']
      const said = await client.done('open', 'ir', [...(await client.secret('open')), ...order, ...out])
      expect(said).toContain('received PKICONF')
      await client.verify({ cert, chain })
      const [ca, root] = texts(client.file('cas.pem'), client.server.rootPem)
      expect(ca).toContain(root)
    },
  )

  it('kur by a signature, with another key and the same; implicitly confirmed', async () => {
    const device = await client.enrolled('open', 'renewed.localhost')
    const order = ['-newkey', await client.newKey('next.key'), '-oldcert', device.cert, '-implicit_confirm']
    const cert = client.file('next.pem')
    const said = await client.done('open', 'kur', [...device.signer, ...order, '-certout', cert])
    expect(said).not.toContain('PKICONF')
    await client.verify({ cert, chain: device.chain })
    const again = client.file('again.pem')
    const signer = ['-cert', cert, '-key', client.file('next.key'), '-trusted', client.server.rootPem]
    await client.done('open', 'kur', [...signer, '-untrusted', device.chain, '-certout', again])
    expect(new Set(await Promise.all([device.cert, cert, again].map(serialOf))).size).toBe(3)
    const subjects = [device.cert, again].map((file) => succeed('openssl', ['x509', '-in', file, '-noout', '-subject']))
    expect((await Promise.all(subjects)).map((text) => text.trim())).toEqual(
      Array(2).fill('subject=CN = renewed.localhost'),
    )
  })

  it('p10cr and cr by a certificate that there is', async () => {
    const device = await client.enrolled('open', 'more.localhost')
    const key = await client.newKey('p10.key', 'RSA')
    const csr = client.file('p10.csr')
    await succeed('openssl', ['req', '-new', '-key', key, '-subj', '/CN=p10.localhost', '-out', csr])
    const [p10, cr] = [client.file('p10.pem'), client.file('cr.pem')]
    await client.done('open', 'p10cr', [...device.signer, '-csr', csr, '-certout', p10])
    await client.verify({ cert: p10, chain: device.chain })
    const order = ['-newkey', await client.newKey('cr.key'), '-subject', '/CN=cr.localhost', '-sans', 'cr.localhost']
    await client.done('open', 'cr', [...device.signer, ...order, '-san_nodefault', '-certout', cr])
    await client.verify({ cert: cr, chain: device.chain })
  })

  it('rr by the key of the certificate: OCSP and CRL say so; again, it is revoked already', async () => {
    const device = await client.enrolled('open', 'stolen.localhost')
    const files = { ...device, chain: device.chain, fullchain: device.cert }
    const serial = await serialOf(device.cert)
    const order = [...device.signer, '-oldcert', device.cert, '-revreason', '1']
    await client.done('open', 'rr', order)
    expect(await ocspStatus(client.server, files)).toMatchObject({ status: 'revoked', verified: true })
    expect(crlEntry(await crlText(client.server, files), serial)).toEqual({ listed: true, reason: 'Key Compromise' })
    const { code, said } = await client.cmp('open', 'rr', order)
    expect(code).not.toBe(0)
    expect(said).toContain('PKIFailureInfo: certRevoked')
  })

  it('rr for another device’s certificate is refused, and what was revoked signs no more', async () => {
    const [mine, other] = [
      await client.enrolled('open', 'mine.localhost'),
      await client.enrolled('open', 'other.localhost'),
    ]
    const refused = await client.cmp('open', 'rr', [...mine.signer, '-oldcert', other.cert])
    expect([refused.code === 0, refused.said.includes('notAuthorized')]).toEqual([false, true])
    await client.done('open', 'rr', [...mine.signer, '-oldcert', mine.cert])
    const ended = await client.cmp('open', 'kur', [...mine.signer, '-certout', client.file('no.pem')])
    expect([ended.code === 0, ended.said.includes('signerNotTrusted')]).toEqual([false, true])
  })

  it('CC5: waits until a person approves, and polls for it', async () => {
    const name = 'waits.localhost'
    const [key, cert, chain] = [
      await client.newKey('waits.key'),
      client.file('waits.pem'),
      client.file('waits-chain.pem'),
    ]
    const order = ['-newkey', key, '-subject', `/CN=${name}`, '-sans', name, '-certout', cert, '-chainout', chain]
    const polling = client.begin('guarded', 'ir', [...(await client.secret('guarded')), ...order])
    const { id } = await client.waiting(name)
    await client.approve(id)
    const { code, stdout, stderr } = await polling.ended
    // It asks at once, and then every second.
    expect([code, `${stdout}${stderr}`]).toEqual([0, expect.stringMatching(/received POLLREP.*received PKICONF/s)])
    await client.verify({ cert, chain })
  })

  it('says why, when a person denies', async () => {
    const name = 'denied.localhost'
    const order = ['-newkey', await client.newKey('denied.key'), '-subject', `/CN=${name}`, '-sans', name]
    const args = [...(await client.secret('guarded')), ...order, '-certout', client.file('denied.pem')]
    const polling = client.begin('guarded', 'ir', args)
    await client.deny((await client.waiting(name)).id, 'sold last year')
    const { code, stdout, stderr } = await polling.ended
    expect([code === 0, `${stdout}${stderr}`]).toEqual([false, expect.stringContaining('sold last year')])
  })

  it('a new transaction about what waits makes no second order', async () => {
    const name = 'impatient.localhost'
    const order = ['-newkey', await client.newKey('impatient.key'), '-subject', `/CN=${name}`, '-sans', name]
    const cert = client.file('impatient.pem')
    const args = [...(await client.secret('guarded')), ...order, '-certout', cert]
    expect((await client.cmp('guarded', 'ir', [...args, '-total_timeout', '2'])).code).not.toBe(0)
    const { id } = await client.waiting(name)
    await client.approve(id)
    // While it waited it was one order; what is asked from now on is another.
    expect((await client.cmp('guarded', 'ir', [...args, '-total_timeout', '2'])).code).not.toBe(0)
    expect((await client.waiting(name)).id).not.toBe(id)
  })

  it('CC3: a revocation that waits for approval is told, and done by its end', async () => {
    await client.save({ name: 'kept', rules: { revoke: review } })
    const device = await client.enrolled('kept', 'kept.localhost')
    const order = [...device.signer, '-oldcert', device.cert]
    const { code, said } = await client.cmp('kept', 'rr', order)
    expect([code === 0, said]).toEqual([false, expect.stringContaining('the revocation waits for approval')])
    await client.approve(`r${(await client.waiting('kept.localhost', 'revoke')).id}`)
    expect((await client.cmp('kept', 'rr', order)).said).toContain('certRevoked')
  })

  it('refuses a wrong secret, no protection and no proof of possession, and says so', async () => {
    const order = ['-newkey', await client.newKey('bad.key'), '-subject', '/CN=bad.localhost', '-sans', 'bad.localhost']
    const out = ['-certout', client.file('bad.pem'), '-unprotected_errors']
    const [ref, name = ''] = await client.secret('open')
    const wrong = await client.cmp('open', 'ir', [ref ?? '', name, '-secret', 'pass:wrong', ...order, ...out])
    expect(wrong.said).toContain('badMessageCheck')
    const none = await client.cmp('open', 'ir', ['-unprotected_requests', '-ref', name, ...order, ...out])
    expect(none.said).toContain('badMessageCheck')
    const unproved = await client.cmp('open', 'ir', [...(await client.secret('open')), ...order, ...out, '-popo', '0'])
    expect(unproved.said).toContain('badPOP')
  })

  it('genm names what is not known here', async () => {
    const device = await client.enrolled('open', 'asks.localhost')
    const said = await client.done('open', 'genm', [...device.signer, '-infotype', 'signKeyPairTypes'])
    expect(said).toContain('unsupportedOIDs')
  })

  it('the commands of the documentation are what they say', async () => {
    await client.save({ name: 'gates' })
    const [, reference = '', , secret = ''] = await client.secret('gates', 'gate7.example.org')
    writeFileSync(client.file('secret'), secret.replace('pass:', ''))
    const text = readFileSync(new URL('../../docs/protocols/cmp.md', import.meta.url), 'utf8')
    const commands = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block).join('')
    const here = commands
      .replaceAll('ca.example.org:8080', new URL(client.server.httpUrl).host)
      .replaceAll('gate-7', reference)
    const cwd = dirname(client.file('secret'))
    await succeed('bash', ['-euc', here], { cwd, timeout: 120_000 })
    for (const name of ['gate', 'next', 'other'])
      await client.verify({ cert: client.file(`${name}.pem`), chain: client.file('chain.pem') })
    const files = { cert: client.file('next.pem'), chain: client.file('chain.pem') }
    expect(await ocspStatus(client.server, files)).toMatchObject({ status: 'revoked' })
  })

  it('Bouncy Castle: a device over its life, with a person between', async () => {
    const name = 'bouncy.localhost'
    const { ended } = await client.bouncyCastle('guarded', name)
    await client.approve((await client.waiting(name)).id)
    await client.approve(`r${(await client.waiting(name, 'revoke')).id}`)
    const { code, stdout, stderr } = await ended
    const said = stdout.trim().split('\n')
    expect([code, stderr]).toEqual([0, ''])
    expect(said[0]).toBe('mac 1 3 the request waits for approval')
    expect(said.filter((line) => line !== 'mac 26 poll').slice(1)).toEqual([
      'mac 1 0',
      'mac 19 -',
      'signature 8 0',
      'signature 19 -',
      'signature 23 3 the revocation waits for approval',
    ])
  })
})
