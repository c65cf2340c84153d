import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCsr } from '../../src/pki/csr.ts'
import { nameText } from '../../src/pki/name.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, orderOf } from '../helpers/consoleCertificates.ts'
import { auto } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const world = useConsoleApp()
const at = '/console/new/rest'
const pemCsr = async (names: string[]) => pemEncode('CERTIFICATE REQUEST', (await newCsr(names)).der)

describe('a key that the server makes', () => {
  let folder: string
  const kept = '/console/new/kept'
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'console-pfx-'))
    await world.app.save('kept', { rules: { issue: auto } })
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const openssl = (args: string[], input?: string) =>
    execFileSync('openssl', args, {
      encoding: 'utf8',
      cwd: folder,
      ...(input === undefined ? {} : { input }),
      stdio: 'pipe',
    })

  it.each(['P-256', 'RSA-2048'])(
    'is downloaded as a PFX that openssl opens with the password that was shown: %s',
    async (kind) => {
      const { app } = world
      const fields = { way: 'server', names: `pfx-${kind.toLowerCase()}.test`, kind, do: 'order' }
      const sent = await app.post(kept, fields)
      const uuid = orderOf(sent.location)
      const done = await app.get(sent.location ?? '')
      expect(done.text).toContain('Download PFX')
      const shown = await app.post(`/console/certificates/${uuid}/pfx/password`)
      expect(shown.text).toContain('cannot be shown again')
      const [, password = ''] = /<code>([A-Za-z0-9]{24})<\/code>/.exec(shown.html) ?? []
      expect(shown.headers.get('cache-control')).toBe('no-store')
      const pfx = await app.post(`/console/certificates/${uuid}/pfx`, { password })
      expect(pfx.headers.get('content-disposition')).toBe(`attachment; filename="pfx-${kind.toLowerCase()}.test.pfx"`)
      writeFileSync(join(folder, 'key.pfx'), pfx.body)
      const opened = openssl(['pkcs12', '-in', 'key.pfx', '-passin', `pass:${password}`, '-nodes'])
      const certificate = new X509Certificate(opened.slice(opened.indexOf('-----BEGIN CERTIFICATE')))
      expect(certificate.subjectAltName).toBe(`DNS:pfx-${kind.toLowerCase()}.test`)
      expect(opened.match(/BEGIN CERTIFICATE/g)).toHaveLength(3)
      const key = createPrivateKey(opened.slice(opened.indexOf('-----BEGIN PRIVATE KEY')))
      expect(createPublicKey(key).equals(certificate.publicKey)).toBe(true)
      expect(() => openssl(['pkcs12', '-in', 'key.pfx', '-passin', 'pass:wrong', '-nodes'])).toThrow()
      const { rows } = await doorFor(app, app.admin).list.audit({ action: 'certificate.download_pfx.success' })
      expect(rows.length).toBeGreaterThan(0)
      expect(JSON.stringify(rows)).not.toContain(password)
    },
  )

  it('takes no password of somebody’s own', async () => {
    const { app } = world
    const sent = await app.post(kept, { way: 'server', names: 'own-password.test', do: 'order' })
    const path = `/console/certificates/${orderOf(sent.location)}/pfx`
    for (const password of ['', 'secret', 'a'.repeat(23)]) {
      const { status } = await app.post(path, { password })
      expect(status, password).toBe(400)
    }
  })

  it('is not given to who has no export_private_key, nor where it was not made here', async () => {
    const { app } = world
    const sent = await app.post(kept, { way: 'server', names: 'kept.test', do: 'order' }, { by: app.operator })
    const uuid = orderOf(sent.location)
    expect((await app.get(sent.location ?? '', { by: app.operator })).text).not.toContain('Download PFX')
    const password = doorFor(app, app.admin).admin.newPfxPassword()
    const refused = await app.post(`/console/certificates/${uuid}/pfx`, { password }, { by: app.operator })
    expect(refused.status).toBe(403)
    const own = await app.post(kept, { csr: await pemCsr(['own.test']), do: 'order' })
    const none = await app.post(`/console/certificates/${orderOf(own.location)}/pfx/password`)
    expect(none.status).toBe(422)
    expect((await app.post(`/console/certificates/${orderOf(own.location)}/pfx`, { password })).status).toBe(404)
  })

  it('is not given where the profile has rules for exports, and the form says so before', async () => {
    const { app } = world
    expect((await app.get(`${at}?way=server`)).text).toContain('rules for exports')
    const sent = await app.post(at, { way: 'server', names: 'rules.test', do: 'order' })
    const shown = await app.post(`/console/certificates/${orderOf(sent.location)}/pfx/password`)
    expect([shown.status, shown.text.includes('rules for exports')]).toEqual([422, true])
  })

  it('needs a name, and a kind that the profile takes', async () => {
    const { app } = world
    const nameless = await app.post(kept, { way: 'server', names: '', do: 'order' })
    expect(nameless.status).toBe(422)
    expect(nameless.text).toContain('Say which names')
    const other = await app.post(kept, { way: 'server', names: 'kind.test', kind: 'RSA-1024', do: 'order' })
    expect(other.status).toBe(422)
  })
})

interface BrowserKeys {
  makeRequest(wish: {
    kind: string
    subject: Record<string, string>
    names: string
  }): Promise<{ request: string; privateKey: string }>
}

describe('a key that the browser makes', () => {
  let keys: BrowserKeys
  beforeAll(async () => {
    await import('../../src/console/assets/keys.js' as string)
    keys = (globalThis as unknown as { browserKeys: BrowserKeys }).browserKeys
  })

  const wish = {
    subject: { C: 'AT', O: 'Ärzte & Söhne', CN: 'a.test' },
    names: 'a.test\n*.b.test 192.0.2.1, 2001:db8::1 2001:db8::192.0.2.1 me@a.test https://a.test/x bücher.test',
  }

  it.each(['P-256', 'RSA-2048', 'RSA-3072'])('makes a request that openssl and we read: %s', async (kind) => {
    const { request, privateKey } = await keys.makeRequest({ kind, ...wish })
    const text = execFileSync('openssl', ['req', '-verify', '-noout', '-text', '-nameopt', 'utf8,sep_comma_plus'], {
      input: request,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    expect(text).toContain('DNS:a.test, DNS:*.b.test, IP Address:192.0.2.1')
    expect(text).toContain('Ärzte & Söhne')
    const csr = parseCsr(pemDecode(request)[0]?.der ?? Buffer.alloc(0))
    expect(nameText(csr.subject)).toBe('CN=a.test,O=Ärzte & Söhne,C=AT')
    expect(csr.identifiers).toEqual([
      { type: 'dns', value: 'a.test' },
      { type: 'dns', value: '*.b.test' },
      { type: 'ip', value: '192.0.2.1' },
      { type: 'ip', value: '2001:db8::1' },
      { type: 'ip', value: '2001:db8::c000:201' },
      { type: 'email', value: 'me@a.test' },
      { type: 'uri', value: 'https://a.test/x' },
      { type: 'dns', value: 'xn--bcher-kva.test' },
    ])
    const spki = createPublicKey(createPrivateKey(privateKey)).export({ format: 'der', type: 'spki' })
    expect(createPublicKey({ key: spki, format: 'der', type: 'spki' }).asymmetricKeyDetails).toBeDefined()
    expect(csr.der.includes(spki)).toBe(true)
  })

  it('signs well whatever the numbers of the signature are', async () => {
    for (let n = 0; n < 200; n++) {
      const { request } = await keys.makeRequest({ kind: 'P-256', subject: {}, names: '' })
      expect(parseCsr(pemDecode(request)[0]?.der ?? Buffer.alloc(0)).identifiers).toEqual([])
    }
  })

  it.each([
    ['a kind that it does not make', { kind: 'RSA-512', subject: {}, names: 'a.test' }],
    ['an e-mail address of other letters', { kind: 'P-256', subject: {}, names: 'jürgen@a.test' }],
  ])('refuses %s', async (_what, asked) => {
    await expect(keys.makeRequest(asked)).rejects.toThrow()
  })

  it('is ordered by its request alone', async () => {
    const { app } = world
    const { request, privateKey } = await keys.makeRequest({ kind: 'P-256', subject: {}, names: 'browser.test' })
    const form = await app.get(`${at}?way=browser`)
    expect(form.html).toMatch(/<script src="\/console\/assets\/[0-9a-f]{16}\/keys\.js" defer/)
    const fields = { way: 'browser', names: 'browser.test', kind: 'P-256', csr: request, do: 'order' }
    const { location } = await app.post(at, fields, { by: app.operator })
    const certificate = await doorFor(app, app.operator).findCertificate({ uuid: orderOf(location) })
    const key = createPublicKey(createPrivateKey(privateKey))
    expect(new X509Certificate(certificate?.der ?? '').publicKey.equals(key)).toBe(true)
  })
})
