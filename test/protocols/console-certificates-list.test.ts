import { describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, issued } from '../helpers/consoleCertificates.ts'

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
      'issuing, own authority',
      'countersign Issuing CA',
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
      'source=%01',
      'page=-1',
      'page=1e99',
      'expiring=abc',
      'search=%01',
      'search=%F0%9F',
    ]) {
      const { status } = await app.get(`/console/certificates?${query}`)
      expect(status, query).toBe(200)
    }
    const { text } = await app.get('/console/certificates?status=x&search=odd.test')
    expect(text).toContain('1 to 1 of 1')
  })

  it('filters by what expires soon, by source and by status, and leaves the archived out', async () => {
    const { app } = world
    await app.save('short', { settings: { certificate: { validity: { default: '5d', max: '5d' } } } })
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

  it('has an address for what is active, as the overview links to it', async () => {
    const { app } = world
    const { id, at } = await issued(app, ['active.test'])
    expect((await app.get('/console/certificates?status=active&search=active.test')).html).toContain(at)
    await doorFor(app, app.operator).revoke({ protocol: 'console', certificate: id, grounds: 'user' })
    expect((await app.get('/console/certificates?status=active&search=active.test')).html).not.toContain(at)
  })

  it('has pages', async () => {
    const { app } = world
    await app.save('many')
    for (let n = 0; n < 52; n++) await issued(app, [`n${n}.pages.test`], { profile: 'many' })
    const first = await app.get('/console/certificates?profile=many')
    expect(first.text).toContain('1 to 50 of 52')
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
    expect(html.startsWith('\ufeffid,uuid,serial,commonName,')).toBe(true)
    const lines = html.trimEnd().split('\r\n').slice(1)
    expect(lines.map((line) => line.split(',')[3])).toEqual(['c.csv.test', 'b.csv.test', 'a.csv.test'])
    expect(lines[0]).toContain(',issuing,csv,issued,')
    const one = await app.get('/console/certificates.csv?search=b.csv.test&status=issued')
    expect(one.html.trimEnd().split('\r\n')).toHaveLength(2)
  })

  it('is refused as a page to whom the list is refused', async () => {
    const { app } = world
    const { status, headers } = await app.get('/console/certificates.csv', { by: null })
    expect([status, headers.get('content-disposition')]).toEqual([303, null])
  })

  it('writes the common name of a stranger as text', async () => {
    const { app } = world
    await app.save('hostile', { settings: { certificate: { type: 'client', subject: { CN: '{csr.CN}' } } } })
    await issued(app, ['formula.test'], { profile: 'hostile', subject: { CN: '=HYPERLINK("http://evil.test","x")' } })
    const { html } = await app.get('/console/certificates.csv?profile=hostile')
    expect(html).toContain(`"'=HYPERLINK(""http://evil.test"",""x"")"`)
  })
})
