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
import { doorFor } from '../helpers/consoleCertificates.ts'
import { auto, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const world = useConsoleApp()
const at = '/console/new/rest'
const pemCsr = async (names: string[], subject?: Record<string, string>) =>
  pemEncode('CERTIFICATE REQUEST', (await newCsr(names, subject ? { subject } : {})).der)

/** The uuid that an answer goes on to. */
const orderOf = (location: string | null) => /^\/console\/new\/done\/([0-9a-f-]{36})$/.exec(location ?? '')?.[1] ?? ''

describe('choosing a profile', () => {
  it('lists those over which somebody may order', async () => {
    const { app } = world
    const { html } = await app.get('/console/new', { by: app.operator })
    expect(html).toContain('href="/console/new/rest"')
    const reader = await app.person('no-orders', { capabilities: ['read'] })
    const { text } = await app.get('/console/new', { by: reader })
    expect(text).toContain('You may not order over any profile')
  })

  it.each([
    ['/console/new/nowhere', 404],
    ['/console/new/%00', 400],
    ['/console/new/..%2frest', 404],
  ])('has no page at %s', async (path, status) => {
    expect((await world.app.get(path)).status).toBe(status)
  })

  it('shows and takes nothing of a profile of another organization', async () => {
    const { app } = world
    expect((await app.get(at, { by: app.stranger })).status).toBe(404)
    const { status } = await app.post(at, { csr: await pemCsr(['x.test']), do: 'order' }, { by: app.stranger })
    expect(status).toBe(404)
  })
})

describe('a request that is there already', () => {
  it.each([
    ['PEM', async () => ({ csr: await pemCsr(['pem.test']) })],
    ['base64 of DER', async () => ({ csr: (await newCsr(['der.test'])).der.toString('base64') })],
    ['a file of PEM', async () => ({ csr: '', file: new Blob([await pemCsr(['file.test'])]) })],
    ['a file of DER', async () => ({ csr: '', file: new Blob([new Uint8Array((await newCsr(['raw.test'])).der)]) })],
  ])('becomes a certificate from %s', async (_what, fields) => {
    const { app } = world
    const sent = await app.post(at, { way: 'csr', do: 'order', ...(await fields()) }, { by: app.operator })
    expect(sent.status).toBe(303)
    const { text } = await app.get(sent.location ?? '', { by: app.operator })
    expect(text).toContain('The certificate is issued')
    expect(text.match(/-----BEGIN CERTIFICATE-----/g)).toHaveLength(3)
    expect(text).not.toContain('Download PFX')
  })

  it('takes other names, and a validity within the limits', async () => {
    const { app } = world
    const fields = { csr: await pemCsr(['old.test']), names: 'new.test\n192.0.2.9', validity: '10d', do: 'order' }
    const { location } = await app.post(at, fields, { by: app.operator })
    const certificate = await doorFor(app, app.operator).findCertificate({ uuid: orderOf(location) })
    expect(certificate?.identifiers.map(({ value }) => value)).toEqual(['new.test', '192.0.2.9'])
    expect(new X509Certificate(certificate?.der ?? '').checkHost('old.test')).toBeUndefined()
    const days = ((certificate?.notAfter.getTime() ?? 0) - app.world.time.now.getTime()) / 86_400_000
    expect(days).toBeCloseTo(10, 2)
  })

  it('is one order, however often the same form is sent', async () => {
    const { app } = world
    const fields = { csr: await pemCsr(['twice.test']), once: 'one form', do: 'order' }
    const first = await app.post(at, fields, { by: app.operator })
    const again = await app.post(at, fields, { by: app.operator })
    expect(orderOf(again.location)).toBe(orderOf(first.location))
    const other = await app.post(at, { ...fields, names: 'other.test' }, { by: app.operator })
    expect(orderOf(other.location)).not.toBe(orderOf(first.location))
  })

  it('waits for people where a rule says so, and says for whom', async () => {
    const { app } = world
    await app.save('asks', { rules: { issue: waits } })
    const fields = { csr: await pemCsr(['waits.test']), do: 'order' }
    const sent = await app.post('/console/new/asks', fields, { by: app.operator, follow: true })
    expect(sent.text).toContain('It waits for approver')
    expect(sent.html).toContain('/console/requests/sign/')
    expect(sent.html).toContain('data-live')
  })

  it('says why there will be no certificate', async () => {
    const { app } = world
    await app.save('never', { rules: { issue: [{ name: 'no', deny: 'not on <b>Sundays</b>' }] } })
    const fields = { csr: await pemCsr(['never.test']), do: 'order' }
    const sent = await app.post('/console/new/never', fields, { by: app.operator, follow: true })
    expect(sent.text).toContain('There will be no certificate')
    expect(sent.text).toContain('Not on <b>Sundays</b>')
    expect(sent.html).toContain('href="/console/new/never"')
  })

  it.each([
    ['nothing', ''],
    ['no request', 'hello <script>'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
    ['a broken one', '-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n'],
    ['one that does not end', '-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n'],
    ['octets', '\u0000\u0001'],
    ['too much', 'A'.repeat(100_001)],
  ])('is refused when it is %s, and the form shows again', async (_what, csr) => {
    const { status, html } = await world.app.post(at, { csr, validity: '7d', do: 'order' }, { by: world.app.operator })
    expect(status).toBe(422)
    expect(html).toContain('role="alert"')
    expect(html).toContain('value="7d"')
    expect(html).not.toContain('hello <script>')
  })

  it.each([
    ['a validity beyond the limit', { validity: '9999d' }, 'may be asked'],
    ['a validity that is none', { validity: 'for ever' }, '90d, 12h'],
    ['names that are none', { names: 'a..b\nfine.test' }, 'cannot be read'],
    ['a variant that is not there', { variant: 'constructor' }, 'constructor'],
  ])('is refused with %s', async (_what, more, said) => {
    const { app } = world
    const fields = { csr: await pemCsr(['refused.test']), do: 'order', ...more }
    const { status, text } = await app.post(at, fields, { by: app.operator, follow: true })
    expect([422, 404, 200]).toContain(status)
    expect(text).toContain(said)
    expect(text).not.toContain('The certificate is issued')
  })

  it('is refused to who may not order', async () => {
    const { app } = world
    const reader = await app.person('reads', { capabilities: ['read'] })
    const { status, text } = await app.post(at, { csr: await pemCsr(['mine.test']), do: 'order' }, { by: reader })
    expect(status).toBe(422)
    expect(text).toContain('create_cert')
  })
})

describe('the subject', () => {
  beforeAll(async () => {
    const certificate = { type: 'client', subject: { CN: '{name}', O: '{csr.O}' } }
    await world.app.save('template', { settings: { certificate } })
    await world.app.save('free', { settings: { certificate: { ...certificate, overrides: ['subject'] } } })
  })

  it('is filled in as far as the template takes it from who asks', async () => {
    const { app } = world
    const { html } = await app.get('/console/new/template?way=server')
    expect(html).toContain('name="subject-O"')
    expect(html).not.toContain('name="subject-OU"')
    const fields = {
      csr: await pemCsr(['t.test'], { O: 'Old' }),
      'subject-O': 'New',
      'subject-OU': 'ignored',
      do: 'order',
    }
    const { location } = await app.post('/console/new/template', fields, { by: app.operator })
    const certificate = await doorFor(app, app.operator).findCertificate({ uuid: orderOf(location) })
    expect(certificate?.subject).toBe('O=New,CN=t.test')
  })

  it('is that of the request where the profile lets people choose', async () => {
    const { app } = world
    const fields = { csr: await pemCsr(['f.test'], { O: 'Own', OU: 'Part', CN: 'Me' }), do: 'order' }
    const { location } = await app.post('/console/new/free', fields, { by: app.operator })
    const certificate = await doorFor(app, app.operator).findCertificate({ uuid: orderOf(location) })
    expect(certificate?.subject).toContain('OU=Part')
  })
})

describe('simulating', () => {
  it('says which rule decides, who must approve, and what the certificate would be; and stores nothing', async () => {
    const { app } = world
    await app.save('asked', { rules: { issue: waits } })
    const before = await doorFor(app, app.admin).list.requests({ kind: 'sign' })
    const fields = { csr: await pemCsr(['sim.test']), do: 'simulate' }
    const { status, text, html } = await app.post('/console/new/asked', fields, { by: app.operator })
    expect(status).toBe(200)
    for (const part of [
      'It would wait for people',
      'a person looks',
      'approver',
      'CN=sim.test',
      'TLS server',
      'Nothing was stored',
    ])
      expect(text).toContain(part)
    expect(html).toContain('-----BEGIN CERTIFICATE REQUEST-----')
    const after = await doorFor(app, app.admin).list.requests({ kind: 'sign' })
    expect(after.rows.length).toBe(before.rows.length)
  })

  it('says what policy refuses', async () => {
    const { app } = world
    await app.save('narrow', { settings: { certificate: { names: { dns: ['.only.test'] } } } })
    const fields = { way: 'server', names: 'elsewhere.test', do: 'simulate' }
    const { text } = await app.post('/console/new/narrow', fields, { by: app.operator })
    expect(text).toContain('Policy would refuse it')
    expect(text).toContain('elsewhere.test')
  })
})

describe('what the profile and the organization ask for', () => {
  beforeAll(async () => {
    const issueAttributes = [
      {
        name: 'costCentre',
        label: 'Cost centre',
        contentType: 'integer',
        required: true,
        constraints: [{ type: 'range', data: { from: 1, to: 999 } }],
      },
      { name: 'tier', contentType: 'string', choices: ['gold', 'silver'] },
      {
        name: 'ticket',
        contentType: 'string',
        constraints: [{ type: 'regExp', data: '[A-Z]+-[0-9]+', errorMessage: 'is like OPS-12' }],
      },
      { name: 'password', contentType: 'secret' },
    ]
    await world.app.save('attributes', { options: { issueAttributes } })
    await doorFor(world.app, world.app.admin).inventory.attributes.add(
      { name: 'room', label: 'Room', contentType: 'string' },
      'default',
    )
  })

  it('is in the form, and kept with the certificate', async () => {
    const { app } = world
    const { text, html } = await app.get('/console/new/attributes', { by: app.operator })
    for (const label of ['Cost centre', 'tier', 'ticket', 'Room']) expect(text).toContain(label)
    expect(html).not.toContain('attribute-password')
    const fields = {
      csr: await pemCsr(['attributes.test']),
      'attribute-costCentre': '42',
      'attribute-tier': 'gold',
      'attribute-ticket': 'OPS-12',
      'attribute-room': '<i>4b</i>',
      do: 'order',
    }
    const { location } = await app.post('/console/new/attributes', fields, { by: app.operator })
    const page = await app.get(`/console/certificates/${orderOf(location)}`, { by: app.operator })
    for (const part of ['Cost centre 42', 'tier gold', 'ticket OPS-12', 'Room <i>4b</i>'])
      expect(page.text).toContain(part)
  })

  it.each([
    ['what is needed', {}, 'Cost centre: is needed'],
    ['a number', { 'attribute-costCentre': 'x' }, 'Cost centre: is no integer'],
    ['a number in its range', { 'attribute-costCentre': '1000' }, 'Cost centre: is from 1 to 999'],
    ['one of the choices', { 'attribute-costCentre': '1', 'attribute-tier': 'lead' }, 'tier: is none of the choices'],
    ['what the pattern says', { 'attribute-costCentre': '1', 'attribute-ticket': 'x' }, 'ticket: is like OPS-12'],
  ])('must be %s', async (_what, more, said) => {
    const { app } = world
    const fields = { csr: await pemCsr(['wrong.test']), do: 'order', ...more }
    const { status, text } = await app.post('/console/new/attributes', fields, { by: app.operator })
    expect(status).toBe(422)
    expect(text).toContain(said)
  })
})

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
