import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { generateKey } from '../../src/core/key.ts'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import { nameOf } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { type Answered, useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, issued } from '../helpers/consoleCertificates.ts'

const world = useConsoleApp()

/** The certificate that a form has led to. */
async function orderedBy({ location }: Answered) {
  const uuid = location?.split('/').at(-1) ?? ''
  const certificate = await doorFor(world.app, world.app.operator).findCertificate({ uuid })
  return { uuid, certificate, x509: certificate && new X509Certificate(certificate.der) }
}

const requestBy = async (names: string[], subject: Record<string, string>) => {
  const identifiers = names.map((value) => ({ type: 'dns', value }) as const)
  return pemEncode(
    'CERTIFICATE REQUEST',
    await writeCsr({ subject: nameOf(subject), identifiers }, signerFor(generateKey('P-256'))),
  )
}

describe('renewing', () => {
  it('orders the next one by the request that is kept, and both pages say so', async () => {
    const { app } = world
    const { id, at, uuid } = await issued(app, ['renew.test'])
    const form = await app.get(`${at}/renew`, { by: app.operator })
    expect(form.text).toContain('nothing needs to be sent again')
    const simulated = await app.post(`${at}/renew`, { way: 'stored', do: 'simulate' }, { by: app.operator })
    expect(simulated.text).toContain('It would be issued at once')
    const sent = await app.post(`${at}/renew`, { way: 'stored', once: 'a', do: 'order' }, { by: app.operator })
    const next = await orderedBy(sent)
    expect(next.certificate?.renews).toBe(id)
    const old = await doorFor(app, app.operator).findCertificate({ id })
    expect(next.certificate?.spkiHash).toBe(old?.spkiHash)
    const again = await app.post(`${at}/renew`, { way: 'stored', once: 'a', do: 'order' }, { by: app.operator })
    expect((await orderedBy(again)).uuid).toBe(next.uuid)
    const before = await app.get(at)
    expect(before.text).toContain('Renewal: came after')
    expect(before.html).toContain(`/console/certificates/${next.uuid}`)
    const after = await app.get(`/console/certificates/${next.uuid}`)
    expect(after.text).toContain('Renewal: came before')
    expect(after.html).toContain(`/console/certificates/${uuid}`)
  })

  it.each([
    ['another key', { way: 'csr' }, 'has another one'],
    ['a way that is not offered', { way: 'server' }, 'one of the ways'],
    ['a validity that is none', { way: 'stored', validity: 'long' }, '90d, 12h'],
  ])('refuses %s', async (_what, fields, said) => {
    const { app } = world
    const { at } = await issued(app, ['no-renewal.test'])
    const csr = fields.way === 'csr' ? { csr: await requestBy(['no-renewal.test'], {}) } : {}
    const { status, text } = await app.post(`${at}/renew`, { ...fields, ...csr, do: 'order' }, { by: app.operator })
    expect(status).toBe(422)
    expect(text).toContain(said)
  })

  it('refuses what is archived, on hold or revoked', async () => {
    const { app } = world
    const archived = await issued(app, ['archived.test'])
    await app.post(`${archived.at}/archive`)
    const no = await app.post(`${archived.at}/renew`, { way: 'stored', do: 'order' })
    expect([no.status, no.text.includes('archived')]).toEqual([422, true])
    await app.post(`${archived.at}/unarchive`)
    const revoked = await issued(app, ['gone.test'])
    await doorFor(app, app.operator).revoke({ protocol: 'console', certificate: revoked.id, grounds: 'user' })
    const { status, text } = await app.post(`${revoked.at}/renew`, { way: 'stored', do: 'order' })
    expect([status, text.includes('revoked is not for renew')]).toEqual([422, true])
  })
})

describe('rekeying', () => {
  it('keeps names and subject, and takes another key', async () => {
    const { app } = world
    const { id, at } = await issued(app, ['rekey.test', 'www.rekey.test'])
    const csr = await requestBy(['rekey.test', 'www.rekey.test'], { CN: 'rekey.test' })
    const next = await orderedBy(await app.post(`${at}/rekey`, { way: 'csr', csr, do: 'order' }, { by: app.operator }))
    expect(next.certificate?.renews).toBe(id)
    expect(next.x509?.subjectAltName).toBe('DNS:rekey.test, DNS:www.rekey.test')
    const page = await app.get(at)
    expect(page.text).toContain('Rekey: came after')
    const other = await requestBy(['rekey.test'], { CN: 'elsewhere.test' })
    const refused = await app.post(`${at}/rekey`, { way: 'csr', csr: other, do: 'order' }, { by: app.operator })
    expect([refused.status, refused.text.includes('keep the subject')]).toEqual([422, true])
  })

  it('lets the server make the key', async () => {
    const { app } = world
    const { at, id } = await issued(app, ['served.test'])
    const form = await app.get(`${at}/rekey?way=server`)
    expect(form.html).toContain('name="kind"')
    const simulated = await app.post(`${at}/rekey`, { way: 'server', kind: 'RSA-2048', do: 'simulate' })
    expect(simulated.text).toContain('It would be issued at once')
    for (const act of ['simulate', 'order'])
      expect((await app.post(`${at}/rekey`, { way: 'server', kind: 'RSA-1', do: act })).status).toBe(422)
    const next = await orderedBy(await app.post(`${at}/rekey`, { way: 'server', kind: 'P-384', do: 'order' }))
    expect([next.certificate?.renews, next.certificate?.keyAlgorithm]).toEqual([id, 'P-384'])
    const send = (once: string) => app.post(`${at}/rekey`, { way: 'server', kind: 'P-256', once, do: 'order' })
    const twice = await Promise.all([send('one'), send('one')])
    const uuids = await Promise.all([...twice, await send('one')].map(async (sent) => (await orderedBy(sent)).uuid))
    expect(new Set(uuids).size).toBe(1)
    expect((await orderedBy(await send('another'))).uuid).not.toBe(uuids[0])
  })

  it('gives the browser names and subject of the certificate', async () => {
    const { app } = world
    const { at } = await issued(app, ['in-browser.test'])
    const { html } = await app.get(`${at}/rekey?way=browser`)
    expect(html).toContain('name="subject-CN" value="in-browser.test"')
    expect(html).toMatch(/name="names" value="in-browser.test"/)
    expect(html).toContain('keys.js')
  })
})

describe('saved views', () => {
  beforeAll(async () => {
    await issued(world.app, ['view.test'])
  })

  it('keep what the list shows, for one person, until he forgets them', async () => {
    const { app } = world
    const query = 'search=view.test&status=issued&expiring=90'
    const saved = await app.post(`/console/certificates/views?${query}`, { name: 'mine <b>' }, { follow: true })
    expect(saved.text).toContain('The view is saved')
    expect(saved.text).toContain('mine <b>')
    const [, uuid = ''] = /name="view" value="([0-9a-f-]{36})"/.exec(saved.html) ?? []
    const link = /href="(\/console\/certificates\?[^"]*)">mine/.exec(saved.html)?.[1]?.replaceAll('&amp;', '&')
    expect(Object.fromEntries(new URLSearchParams(link?.split('?')[1]))).toEqual({
      search: 'view.test',
      status: 'issued',
      expiring: '90',
    })
    expect((await app.get('/console/certificates', { by: app.operator })).text).not.toContain('mine')
    expect((await app.post('/console/certificates/views/remove', { view: uuid }, { by: app.operator })).status).toBe(
      404,
    )
    const gone = await app.post('/console/certificates/views/remove', { view: uuid }, { follow: true })
    expect(gone.text).not.toContain('mine')
  })

  it('need a name and a filter', async () => {
    const { app } = world
    expect((await app.post('/console/certificates/views?status=issued', { name: '' })).status).toBe(400)
    expect((await app.post('/console/certificates/views', { name: 'all' })).status).toBe(400)
  })
})
