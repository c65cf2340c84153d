import { createHash, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { downloadName } from '../../src/console/certificateName.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, issued, selfSigned } from '../helpers/consoleCertificates.ts'
import { newCsr } from '../helpers/world.ts'

const world = useConsoleApp()

describe('the page of a certificate', () => {
  it('has every field, the chain, its requests, and says that it was opened', async () => {
    const { app } = world
    const { id, at, uuid } = await issued(app, ['detail.test', 'www.detail.test'])
    const { text, html } = await app.get(at)
    const certificate = await doorFor(app, app.operator).findCertificate({ id })
    const print = certificate?.fingerprint.replace(/..(?=.)/g, '$&:') ?? ''
    for (const part of [
      'Common name detail.test',
      'www.detail.test',
      'Issuer ',
      'Algorithm ec-256 (P-256)',
      'Digest SHA-',
      'Valid from',
      'Valid to',
      'Days until expiry 89 d left',
      'Status Active',
      'Source managed',
      'Serial number',
      'operator (person, Console)',
      'Intermediate CA',
      'Root CA',
      'TLS server',
      'Basic constraints',
      '-----BEGIN CERTIFICATE-----',
    ])
      expect(text).toContain(part)
    expect(text.replaceAll(' ', '')).toContain(print)
    expect(html).toContain(`/console/requests/sign/${uuid}`)
    expect(html).toContain('/console/authorities/')
    const audit = await doorFor(app, app.admin).list.audit({
      action: 'certificate.view.accessed',
      subject: { kind: 'certificate', id },
    })
    expect(audit.rows.map(({ actor }) => actor.name)).toEqual(['root'])
  })

  it('is not there for another organization, nor for no uuid, nor for hostile ones', async () => {
    const { app } = world
    const { uuid } = await issued(app, ['theirs.test'])
    for (const [path, by] of [
      [`/console/certificates/${uuid}`, app.stranger],
      [`/console/certificates/${uuid}/download`, app.stranger],
      [`/console/certificates/${uuid}/edit`, app.stranger],
      ['/console/certificates/0190a0a0-0000-7000-8000-000000000000', app.admin],
      ['/console/certificates/..%2f..%2fetc', app.admin],
      ['/console/certificates/%3Cscript%3E', app.admin],
    ] as const) {
      const { status, html } = await app.get(path, { by })
      expect(status, path).toBe(404)
      expect(html).not.toContain('<script>')
    }
    for (const act of ['revoke/code', 'revoke', 'unhold', 'archive', 'edit', 'validate', 'pfx', 'pfx/password']) {
      const { status } = await app.post(
        `/console/certificates/${uuid}/${act}`,
        { code: '123456' },
        { by: app.stranger },
      )
      expect(status, act).toBe(404)
    }
  })

  it('sends to the request while there is no certificate', async () => {
    const { app } = world
    await app.save('asks', { rules: { issue: [{ name: 'a person looks', require: [{ users: ['approver'] }] }] } })
    const { request } = await doorFor(app, app.operator).sign({
      profile: await app.world.profile('asks'),
      protocol: 'console',
      action: 'issue',
      csr: await newCsr(['waits.test']),
      refusal: 'store',
    })
    const { status, location } = await app.get(`/console/certificates/${request.uuid}`)
    expect([status, location]).toEqual([303, `/console/requests/sign/${request.uuid}`])
    expect((await app.get(`/console/certificates/${request.uuid}/download`)).status).toBe(404)
  })

  it('offers nothing that cannot work', async () => {
    const { app } = world
    const { at } = await issued(app, ['reader.test'])
    const reader = await app.person('only-reads', { capabilities: ['read'] })
    const { text } = await app.get(at, { by: reader })
    expect(text).not.toContain('Renew')
    expect(text).not.toContain('Archive')
    expect((await app.post(`${at}/archive`, {}, { by: reader })).status).toBe(403)
    expect((await app.post(`${at}/edit`, { owner: '' }, { by: reader })).status).toBe(422)
  })

  it('shows hostile names as text', async () => {
    const { app } = world
    await app.save('strange', {
      settings: { certificate: { overrides: ['subject'], subject: { CN: '{name}', O: '{csr.O}' } } },
    })
    const subject = { O: '<img src=x onerror=alert(1)>\u202egnp' }
    const { at } = await issued(app, ['strange.test'], { profile: 'strange', subject })
    const { html, text } = await app.get(at)
    expect(html).not.toContain('<img')
    expect(html).not.toContain('\u202e')
    expect(text).toContain('img src=x onerror=alert(1)')
  })

  it('takes owner and groups, and says when somebody may not', async () => {
    const { app } = world
    const { at, uuid } = await issued(app, ['owned.test'])
    const group = await doorFor(app, app.admin).groups.create({ name: 'web team', organization: 'default' })
    const edited = await app.post(`${at}/edit`, { owner: app.operator.uuid, groups: [group.uuid] }, { follow: true })
    expect(edited.text).toContain('Owner, groups and notes are saved')
    expect(edited.text).toContain('Owner operator')
    expect(edited.text).toContain('web team')
    const wrong = await app.post(`${at}/edit`, { owner: app.stranger.uuid, groups: [] })
    expect(wrong.status).toBe(422)
    expect(wrong.text).toContain('There is no user')
    const entry = await doorFor(app, app.operator).inventory.entry(uuid)
    expect(entry.owner?.name).toBe('operator')
  })
})

describe('notes about a certificate', () => {
  it('are what the organization defines; what programs noted stays', async () => {
    const { app } = world
    const door = doorFor(app, app.admin)
    await door.inventory.attributes.add({ name: 'rack', label: 'Rack', contentType: 'integer' }, 'default')
    await door.inventory.attributes.add({ name: 'tags', label: 'Tags', contentType: 'string', list: true }, 'default')
    const { at, uuid } = await issued(app, ['notes.test'])
    await door.inventory.setAttributes(uuid, [
      { name: 'by a program', contentType: 'string', content: [{ data: 'x' }] },
    ])
    const fields = { owner: '', 'attribute-rack': '7', 'attribute-tags': 'a\n<b>' }
    const saved = await app.post(`${at}/edit`, fields, { follow: true })
    for (const part of ['Rack 7', 'Tags a <b>', 'by a program x']) expect(saved.text).toContain(part)
    const form = await app.get(`${at}/edit`)
    const [field = ''] = /<input[^>]*name="attribute-rack"[^>]*>/.exec(form.html) ?? []
    expect(field).toContain('type="number"')
    expect(field).toContain('value="7"')
    const wrong = await app.post(`${at}/edit`, { ...fields, 'attribute-rack': 'seven' })
    expect([wrong.status, wrong.text.includes('Rack: is no integer')]).toEqual([422, true])
    const emptied = await app.post(`${at}/edit`, { owner: '' }, { follow: true })
    expect(emptied.text).not.toContain('Rack')
    expect(emptied.text).toContain('by a program x')
  })
})

describe('downloads', () => {
  it('are the certificate, its chain, and PKCS #7, under a safe name', async () => {
    const { app } = world
    const { at, id } = await issued(app, ['*.download.test'])
    const fingerprint = (await doorFor(app, app.operator).findCertificate({ id }))?.fingerprint
    const pem = await app.get(`${at}/download`)
    expect(pem.headers.get('content-disposition')).toBe('attachment; filename="wildcard.download.test.crt"')
    expect(pem.headers.get('x-content-type-options')).toBe('nosniff')
    expect(createHash('sha256').update(new X509Certificate(pem.html).raw).digest('hex')).toBe(fingerprint)
    const der = await app.get(`${at}/download?form=der`)
    expect(createHash('sha256').update(der.body).digest('hex')).toBe(fingerprint)
    const chain = await app.get(`${at}/download?form=chain`)
    expect(chain.html.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    const full = await app.get(`${at}/download?form=fullchain`)
    expect(full.html).toBe(pem.html + chain.html)
    const p7b = await app.get(`${at}/download?form=p7b`)
    expect(p7b.headers.get('content-disposition')).toContain('.p7b"')
    expect(p7b.body[0]).toBe(0x30)
    for (const form of ['exe', 'constructor', '__proto__'])
      expect((await app.get(`${at}/download?form=${form}`)).status, form).toBe(404)
  })

  it.each([
    ['a.test', 'a.test.crt'],
    ['*.a.test', 'wildcard.a.test.crt'],
    ['../../etc/passwd', 'etc_passwd.crt'],
    ['..', 'certificate.crt'],
    ['', 'certificate.crt'],
    ['a"; filename="evil.exe', 'a_filename_evil.exe.crt'],
    ['a\r\nSet-Cookie: x=1', 'a_Set-Cookie_x_1.crt'],
    ['.hidden', 'hidden.crt'],
    ['-rf', 'rf.crt'],
    ['CON', 'certificate-CON.crt'],
    ['nul.test', 'certificate-nul.test.crt'],
    ['\u202egnp.exe', 'gnp.exe.crt'],
    ['ä€𝒳', 'certificate.crt'],
    ['x'.repeat(500), `${'x'.repeat(64)}.crt`],
  ])('calls what was certified to %j %j', (called, name) => expect(downloadName(called, '.crt')).toBe(name))
})

describe('upload', () => {
  it('takes certificates into the inventory, and says which it did not take', async () => {
    const { app } = world
    const first = selfSigned('uploaded.test')
    const one = await app.post('/console/certificates/upload', { certificates: first }, { follow: true })
    expect(one.text).toContain('The certificate is in the inventory')
    expect(one.text).toContain('Source uploaded')
    expect(one.text).toContain('there is no PFX')
    const again = await app.post('/console/certificates/upload', { certificates: first })
    expect(again.status).toBe(422)
    const two = await app.post('/console/certificates/upload', { certificates: first + selfSigned('second.test') })
    expect(two.status).toBe(422)
    expect(two.text).toContain('1 of 2 were taken in')
    const list = await app.get('/console/certificates?source=uploaded')
    expect(list.text).toContain('second.test')
    expect(list.text).toContain('not issued here')
    const file = new Blob([selfSigned('file.test')])
    const sent = await app.post('/console/certificates/upload', { certificates: '', file }, { follow: true })
    expect(sent.text).toContain('file.test')
  })

  it('is undone by removing what nobody here has issued, and nothing else', async () => {
    const { app } = world
    const sent = await app.post('/console/certificates/upload', { certificates: selfSigned('gone.test') })
    expect((await app.get(`${sent.location}/edit`)).text).toContain('Remove from the inventory')
    const gone = await app.post(`${sent.location}/remove`, {}, { follow: true })
    expect(gone.text).toContain('not in the inventory any more')
    expect((await app.get(sent.location ?? '')).status).toBe(404)
    const { at } = await issued(app, ['stays.test'])
    expect((await app.get(`${at}/edit`)).text).not.toContain('Remove from the inventory')
    expect((await app.post(`${at}/remove`)).status).toBe(409)
    expect((await app.post(`${at}/remove`, {}, { by: app.stranger })).status).toBe(404)
  })

  it.each([
    ['nothing', ''],
    ['no certificate', 'hello'],
    ['a broken one', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['one that does not end', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
    ['base64 of nothing', 'AAAA'],
  ])('refuses %s', async (_what, certificates) => {
    const { status, html } = await world.app.post('/console/certificates/upload', { certificates })
    expect(status).toBe(422)
    expect(html).toContain('role="alert"')
  })

  it('refuses who may not', async () => {
    const { app } = world
    const { status } = await app.post(
      '/console/certificates/upload',
      { certificates: selfSigned('no.test') },
      { by: app.operator },
    )
    expect(status).toBe(422)
  })
})
