import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { pemEncode } from '../../src/pki/pem.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, orderOf } from '../helpers/consoleCertificates.ts'
import { waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const world = useConsoleApp()
const at = '/console/new/rest'
const pemCsr = async (names: string[], subject?: Record<string, string>) =>
  pemEncode('CERTIFICATE REQUEST', (await newCsr(names, subject ? { subject } : {})).der)

describe('choosing a profile', () => {
  it('lists those over which somebody may order', async () => {
    const { app } = world
    const { html } = await app.get('/console/new', { by: app.operator })
    expect(html).toContain('href="/console/new/rest"')
    const reader = await app.person('no-orders', { capabilities: ['read'] })
    const { text } = await app.get('/console/new', { by: reader })
    expect(text).toContain('You may not order over any profile')
  })

  it('goes on to the one that was named', async () => {
    const { app } = world
    const to = async (name: string) => (await app.get(`/console/new?profile=${encodeURIComponent(name)}`)).location
    expect(await to('rest')).toBe('/console/new/rest')
    expect(await to('//evil.test')).toBe('/console/new/%2F%2Fevil.test')
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

  it('is one order with one key, where the server makes it, also when both are sent at once', async () => {
    const { app } = world
    const fields = { way: 'server', names: 'once.test', kind: 'P-256', once: 'one more form', do: 'order' }
    const sent = await Promise.all([1, 2].map(() => app.post(at, fields, { by: app.operator })))
    const again = await app.post(at, fields, { by: app.operator })
    const orders = new Set([...sent, again].map(({ location }) => orderOf(location)))
    expect(orders.size).toBe(1)
    const elsewhere = await app.post(at, fields, { by: app.admin })
    const other = await app.post(at, { ...fields, once: 'another form' }, { by: app.operator })
    for (const { location } of [elsewhere, other]) expect(orders).not.toContain(orderOf(location))
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
    ['octets', '\u0001\u0002'],
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
