import { createHash, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { downloadName } from '../../src/console/certificateName.ts'
import { csvLine, everyPage } from '../../src/console/pages/certificateCsv.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, issued, selfSigned } from '../helpers/consoleCertificates.ts'
import { newCsr } from '../helpers/world.ts'

const world = useConsoleApp()

describe('the list of certificates', () => {
  it('says who to ask when there is none', async () => {
    const { app } = world
    const newcomer = await app.person('newcomer', { admin: true, organization: 'empty' })
    const { status, text } = await app.get('/console/certificates', { by: newcomer })
    expect(status).toBe(200)
    expect(text).toContain('There is no certificate yet')
  })

  it('shows names, issuer, provider, validity, days to expiry, status, source', async () => {
    const { app } = world
    await issued(app, ['list.test', 'other.list.test'])
    const { text } = await app.get('/console/certificates?search=list.test')
    for (const part of [
      'list.test',
      'other.list.test',
      'issuing',
      'own authority',
      '89 d left',
      'Active',
      'managed',
      'rest',
    ])
      expect(text).toContain(part)
  })

  it('finds by a part of a name, by the subject, by serial number and by fingerprint', async () => {
    const { app } = world
    const { id, at } = await issued(app, ['needle.find.test'])
    await issued(app, ['hay.find.test'])
    const certificate = await doorFor(app, app.operator).findCertificate({ id })
    const serial = certificate?.serial.replace(/..(?=.)/g, '$&:') ?? ''
    for (const search of ['EEDLE.find', 'CN=needle', serial, serial.toUpperCase(), certificate?.fingerprint ?? '']) {
      const { html, text } = await app.get(`/console/certificates?search=${encodeURIComponent(search)}`)
      expect(html, search).toContain(at)
      expect(text, search).not.toContain('hay.find.test')
    }
    const none = await app.get('/console/certificates?search=nowhere')
    expect(none.text).toContain('No certificate is like that')
  })

  it('takes what nobody offers for no filter', async () => {
    const { app } = world
    await issued(app, ['odd.test'])
    for (const query of [
      'status=x',
      'source=%00',
      'page=-1',
      'page=1e99',
      'expiring=abc',
      'search=%00',
      'search=%F0%9F',
    ]) {
      const { status } = await app.get(`/console/certificates?${query}`)
      expect(status, query).toBe(200)
    }
    const { text } = await app.get('/console/certificates?status=x&search=odd.test')
    expect(text).toContain('1 certificate')
  })

  it('filters by what expires soon, by source and by status, and leaves the archived out', async () => {
    const { app } = world
    const soon = await app.save('short', { settings: { certificate: { validity: { default: '5d', max: '5d' } } } })
    expect(soon.profile).toBeTruthy()
    const { uuid, at } = await issued(app, ['soon.filter.test'], { profile: 'short' })
    await issued(app, ['late.filter.test'])
    const within = await app.get('/console/certificates?search=filter.test&expiring=7&source=managed&status=issued')
    expect(within.text).toContain('soon.filter.test')
    expect(within.text).not.toContain('late.filter.test')
    expect(within.text).toContain('4 d left')
    await app.post(`${at}/archive`)
    const gone = await app.get('/console/certificates?search=soon.filter.test')
    expect(gone.html).not.toContain(uuid)
    const archived = await app.get('/console/certificates?search=soon.filter.test&archived=on')
    expect(archived.html).toContain(uuid)
  })

  it('tells what has ended from what is good', async () => {
    const { app } = world
    await app.save('brief', { settings: { certificate: { validity: { default: '10m', max: '10m' } } } })
    const { uuid } = await issued(app, ['over.test'], { profile: 'brief' })
    app.world.time.pass(11 * 60_000)
    const over = await app.get('/console/certificates?status=expired')
    expect(over.html).toContain(uuid)
    expect(over.text).toContain('Expired ended 0 d ago')
    expect((await app.get('/console/certificates?status=issued')).html).not.toContain(uuid)
  })

  it('has pages', async () => {
    const { app } = world
    await app.save('many')
    for (let n = 0; n < 52; n++) await issued(app, [`n${n}.pages.test`], { profile: 'many' })
    const first = await app.get('/console/certificates?profile=many')
    expect(first.text).toContain('52 certificates')
    expect(first.html.match(/href="\/console\/certificates\/[0-9a-f-]{36}"/g)).toHaveLength(50)
    const second = await app.get('/console/certificates?profile=many&page=2')
    expect(second.html.match(/href="\/console\/certificates\/[0-9a-f-]{36}"/g)).toHaveLength(2)
    expect(second.html).toContain('href="/console/certificates?profile=many"')
  })

  it('shows nothing of another organization', async () => {
    const { app } = world
    const { uuid } = await issued(app, ['secret.test'])
    const { html } = await app.get('/console/certificates', { by: app.stranger })
    expect(html).not.toContain(uuid)
    const csv = await app.get('/console/certificates.csv', { by: app.stranger })
    expect(csv.html).not.toContain(uuid)
  })
})

describe('the list as a file', () => {
  it('has a line for each certificate that is wanted, and no more', async () => {
    const { app } = world
    await app.save('csv')
    for (const name of ['a.csv.test', 'b.csv.test', 'c.csv.test']) await issued(app, [name], { profile: 'csv' })
    const { headers, html } = await app.get('/console/certificates.csv?profile=csv')
    expect(headers.get('content-type')).toContain('text/csv')
    expect(headers.get('content-disposition')).toMatch(/^attachment; filename="certificates-\d{4}-\d\d-\d\d\.csv"$/)
    const lines = html.trimEnd().split('\r\n')
    expect(lines[0]).toMatch(/^name,common name,names,issuer,/)
    expect(lines.slice(1).map((line) => line.split(',')[0])).toEqual(['c.csv.test', 'b.csv.test', 'a.csv.test'])
    expect(lines[1]).toContain(',issuing,active,managed,csv,')
  })

  it('goes through more than one page of them', async () => {
    const { app } = world
    const door = doorFor(app, app.operator)
    // A list that counts no further than 3 rows, of 9 that were made in 9 different milliseconds.
    const rows = Array.from({ length: 9 }, (_, n) => ({ id: n, createdAt: new Date(1000 + n) }))
    const searchCertificates = async ({
      where = [],
      page,
      size,
    }: Parameters<typeof door.list.searchCertificates>[0]) => {
      const [from, to] = ['greaterOrEqual', 'lesser'].map((name) =>
        Number(
          where.find(({ field, condition }) => field === 'createdAt' && condition === name)?.value ??
            (name === 'lesser' ? Infinity : 0),
        ),
      ) as [number, number]
      const found = rows.filter(({ createdAt: at }) => at.getTime() >= from && at.getTime() < to).reverse()
      return {
        rows: found.slice((page - 1) * size, page * size),
        total: Math.min(3, found.length),
        atLeast: found.length > 3,
        page,
        size,
      }
    }
    const visit = { door: { list: { searchCertificates } } } as never
    const seen: number[] = []
    for await (const some of everyPage(visit, { archived: false }, new Date(5000)))
      seen.push(...some.map(({ id }) => id))
    expect(seen).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0])
  })

  it.each([
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1', '-1'],
    ['-1+2', "'-1+2"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    [' =1', "' =1"],
    ['a"b', '"a""b"'],
    ['a,b', '"a,b"'],
    ['a\r\nb', '"a\r\nb"'],
    ['plain', 'plain'],
  ])('writes %j so that a spreadsheet computes nothing', (given, written) => {
    expect(csvLine([given, 'x'])).toBe(`${written},x\r\n`)
  })

  it('writes the common name of a stranger as text', async () => {
    const { app } = world
    await app.save('hostile', { settings: { certificate: { type: 'client', subject: { CN: '{csr.CN}' } } } })
    await issued(app, ['formula.test'], { profile: 'hostile', subject: { CN: '=HYPERLINK("http://evil.test","x")' } })
    const { html } = await app.get('/console/certificates.csv?profile=hostile')
    expect(html).toContain(`"'=HYPERLINK(""http://evil.test"",""x"")"`)
  })
})

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
      print,
      'Serial number',
      'operator (person, Console)',
      'Intermediate CA',
      'Root CA',
      'TLS server',
      'Basic constraints',
      '-----BEGIN CERTIFICATE-----',
    ])
      expect(text).toContain(part)
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
    expect(edited.text).toContain('Owner and groups are saved')
    expect(edited.text).toContain('Owner operator')
    expect(edited.text).toContain('web team')
    const wrong = await app.post(`${at}/edit`, { owner: app.stranger.uuid, groups: [] })
    expect(wrong.status).toBe(422)
    expect(wrong.text).toContain('There is no user')
    const entry = await doorFor(app, app.operator).inventory.entry(uuid)
    expect(entry.owner?.name).toBe('operator')
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
