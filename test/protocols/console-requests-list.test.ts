import { beforeAll, describe, expect, it } from 'vitest'
import { system } from '../../src/core/requester.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor } from '../helpers/consoleCertificates.ts'
import { everywhere, hashOf, ordered, revocation, statusOf } from '../helpers/consoleRequests.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { auto, waits } from '../helpers/raApp.ts'

const used = useConsoleApp()
const SIGN = '/console/requests/sign'
const REVOKE = '/console/requests/revoke'
let ca: ForeignCa

beforeAll(async () => {
  const { app } = used
  await app.save('decided', { rules: everywhere(waits) })
  await app.save('passes', { rules: { ...everywhere(auto), revoke: waits } })
  ca = await foreignCa(app.world.time.now, { name: 'Elsewhere CA' })
  const { admin } = app.world.core.as(system('test'))
  const { id } = await admin.addManualAuthority({ name: 'elsewhere-ca', pem: ca.certificate })
  await app.save('by-hand', { authority: id, rules: everywhere(auto) })
})

const rowOf = (html: string, name: string) => html.split('<tr>').find((row) => row.includes(name)) ?? ''
const tickIn = (html: string, name: string) => /name="row" value="([^"]+)"/.exec(rowOf(html, name))?.[1] ?? ''
const approver = () => used.app.approver

describe('the list of sign requests', () => {
  it('has every column', async () => {
    const { app } = used
    const owner = await app.person('ca-owner', { capabilities: ['read'] })
    await doorFor(app, app.admin).admin.changeAuthority('issuing', { owner: owner.name })
    await ordered(app, 'columns.test', { names: ['columns.test', 'san.test'] })
    const { text } = await app.get(SIGN)
    for (const head of 'Name,Authority,SAN,Valid for,Administrator,Requested by,Requested at,Requested IP'.split(','))
      expect(text).toContain(head)
    expect(text).toMatch(/columns\.test Requested issuing decided san\.test 90 days ca-owner operator Console just now/)
  })

  it('has the address of who asked', async () => {
    const { app } = used
    const csr = (await ordered(app, 'unused.test')).csr.der.toString('base64')
    const place = await app.save('over-rest', { rules: everywhere(waits) })
    await app.call('post', `${place.path}/certificates`, { body: { request: csr, attributes: [] } })
    expect((await app.get(`${SIGN}?profile=over-rest`)).text).toMatch(/operator REST just now 192\.0\.2\.7/)
  })

  it('is narrowed by status, profile, authority, protocol, requester and a part of a name', async () => {
    const { app } = used
    await ordered(app, 'narrow-one.test', { profile: 'passes' })
    await ordered(app, 'narrow-two.test')
    const shows = async (query: string) => {
      const { text, status } = await app.get(`${SIGN}?${query}`)
      expect(status, query).toBe(200)
      return [text.includes('narrow-one.test'), text.includes('narrow-two.test')]
    }
    expect(await shows('')).toEqual([true, true])
    expect(await shows('status=signed')).toEqual([true, false])
    expect(await shows('profile=decided')).toEqual([false, true])
    expect(await shows('authority=issuing')).toEqual([true, true])
    expect(await shows('authority=elsewhere-ca')).toEqual([false, false])
    expect(await shows('protocol=console')).toEqual([true, true])
    expect(await shows('protocol=acme')).toEqual([false, false])
    expect(await shows('requester=perat')).toEqual([true, true])
    expect(await shows('requester=root')).toEqual([false, false])
    expect(await shows('search=NARROW-tw')).toEqual([false, true])
    expect(await shows('search=narrow&status=requested&profile=decided')).toEqual([false, true])
  })

  it('finds by the subject what has no other names', async () => {
    const { app } = used
    const settings = { certificate: { subject: { CN: '{csr.CN}' }, type: 'client' } }
    await app.save('nameless', { settings, rules: everywhere(waits) })
    await ordered(app, 'Jane Doe', { profile: 'nameless', names: [] })
    expect((await app.get(`${SIGN}?search=jane+d`)).text).toContain('Jane Doe Requested')
  })

  it('says what to do where there is nothing', async () => {
    const { app } = used
    const none = await app.get(`${SIGN}?search=nowhere`)
    expect(none.text).toContain('No request is like that. Show all')
    const empty = await app.get(SIGN, { by: app.stranger })
    expect(empty.text).toContain('Nobody has asked for a certificate yet.')
  })

  it('takes no odd page or filter amiss', async () => {
    const { app } = used
    for (const query of [
      'page=0',
      'page=x',
      'page=99999',
      'status=%F0%9F%92%A9',
      'mine=2',
      `search=${'a'.repeat(5000)}`,
    ])
      expect(await app.get(`${SIGN}?${query}`), query).toMatchObject({ status: 200 })
  })

  it('begins with the tab of sign requests', async () => {
    expect(await used.app.get('/console/requests?status=failed')).toMatchObject({
      status: 303,
      location: `${SIGN}?status=failed`,
    })
  })
})

describe('what waits for me', () => {
  it('is that alone on which I may vote', async () => {
    const { app } = used
    await ordered(app, 'mine.test')
    await ordered(app, 'by-approver.test', { by: await app.person('asker', { capabilities: ['create_cert', 'read'] }) })
    const mine = await app.get(`${SIGN}?mine=1`, { by: approver() })
    expect(mine.text).toContain('mine.test Requested')
    const his = await app.get(`${SIGN}?mine=1`, { by: app.operator })
    expect(his.text).toContain('Nothing waits for you.')
    expect(his.html).not.toContain('name="row"')
    expect((await app.get(`${REVOKE}?mine=1`, { by: approver() })).text).not.toContain('mine.test')
  })

  it('is approved in bulk, each for itself by what was shown, and told per row', async () => {
    const { app } = used
    const [good, stale, decided] = [
      await ordered(app, 'bulk-good.test'),
      await ordered(app, 'bulk-stale.test'),
      await ordered(app, 'bulk-decided.test'),
    ]
    const { html } = await app.get(`${SIGN}?mine=1`, { by: approver() })
    const row = ['bulk-good.test', 'bulk-stale.test', 'bulk-decided.test'].map((name) => tickIn(html, name))
    expect(row[0]).toBe(`${good.uuid} ${await hashOf(app, good.at)}`)
    await app.post(`${stale.at}/edit`, { revision: '1', names: 'wider.test' }, { by: app.operator })
    const fields = { hash: await hashOf(app, decided.at), verdict: 'deny', reason: 'no' }
    await app.post(`${decided.at}/vote`, fields, { by: approver() })
    const done = await app.post(`${SIGN}/bulk`, { row, verdict: 'approve' }, { by: approver() })
    expect(done.status).toBe(200)
    expect(done.text).toContain('1 of 3 approved')
    expect(done.text).toContain('bulk-good.test Counted Signed')
    expect(done.text).toContain('wider.test Not counted Requested The request has changed since you looked at it')
    expect(done.text).toContain('bulk-decided.test Not counted Denied Too late: the request is denied.')
    expect(await statusOf(app, good.uuid)).toBe('signed')
    expect(await statusOf(app, stale.uuid)).toBe('requested')
  })

  it('is denied in bulk with a reason', async () => {
    const { app } = used
    const { uuid, id } = await ordered(app, 'bulk-revoke.test', { profile: 'passes' })
    expect(uuid).not.toBe('')
    const revoking = await revocation(app, id)
    const { html } = await app.get(`${REVOKE}?mine=1`, { by: approver() })
    const row = tickIn(html, 'bulk-revoke.test')
    const bare = await app.post(`${REVOKE}/bulk`, { row, verdict: 'deny' }, { by: approver() })
    expect(bare.text).toContain('Say why: a denial needs a reason')
    const done = await app.post(`${REVOKE}/bulk`, { row, verdict: 'deny', reason: 'still used' }, { by: approver() })
    expect(done.text).toContain('1 of 1 denied')
    expect(await statusOf(app, revoking.uuid, 'revoke')).toBe('denied')
  })

  it('refuses nothing chosen, too many, what is no row, and rows of others', async () => {
    const { app } = used
    const { uuid, at } = await ordered(app, 'bulk-other.test')
    const hash = await hashOf(app, at)
    const post = (row: string | string[], by = approver()) =>
      app.post(`${SIGN}/bulk`, { row, verdict: 'approve' }, { by })
    expect((await post([])).text).toContain('Choose at least one request')
    expect((await post(Array.from({ length: 101 }, (_, n) => `${n} x`))).status).toBe(400)
    expect((await post('nonsense')).text).toContain('0 of 1 approved')
    expect((await post('<b>\u202e x')).html).not.toContain('<b>')
    const own = await post(`${uuid} ${hash}`, app.operator)
    expect(own.text).toContain('bulk-other.test Not counted Requested You are behind this request')
    const stranger = await post(`${uuid} ${hash}`, app.stranger)
    expect(stranger.text).toContain('Not counted There is no such request.')
    expect(stranger.text).not.toContain('bulk-other.test')
    expect(await statusOf(app, uuid)).toBe('requested')
  })
})

describe('a request for an authority elsewhere', () => {
  it('takes the certificate that was signed there', async () => {
    const { app } = used
    const { at, uuid, csr } = await ordered(app, 'hand.test', { profile: 'by-hand' })
    expect((await app.get(at)).text).toContain('Certificate signed elsewhere')
    const { der } = await ca.issue({ publicKey: csr.publicKey, identifiers: csr.identifiers, subject: csr.subject })
    expect((await app.get(at, { by: approver() })).text).not.toContain('Certificate signed elsewhere')
    const wrong = await app.post(`${at}/upload`, { pem: 'nothing of the kind' })
    expect(wrong.text).toContain('This is no certificate: give it as PEM or DER.')
    const done = await app.post(`${at}/upload`, { pem: pemEncode('CERTIFICATE', der) }, { follow: true })
    expect(done.text).toContain('hand.test Signed')
    expect(await statusOf(app, uuid)).toBe('signed')
  })

  it('takes a file of DER, and refuses the certificate of another key', async () => {
    const { app } = used
    const { at, uuid, csr } = await ordered(app, 'file.test', { profile: 'by-hand' })
    const other = await ordered(app, 'file.test', { profile: 'by-hand' })
    const sign = ({ publicKey }: typeof csr) =>
      ca.issue({ publicKey, identifiers: csr.identifiers, subject: csr.subject })
    const file = (der: Buffer) => ({ file: new Blob([new Uint8Array(der)]) })
    const refused = await app.post(`${at}/upload`, file((await sign(other.csr)).der))
    expect(refused.status).toBe(422)
    expect(await statusOf(app, uuid)).toBe('signing')
    await app.post(`${at}/upload`, file((await sign(csr)).der))
    expect(await statusOf(app, uuid)).toBe('signed')
  })

  it('is given up and tried again by hand', async () => {
    const { app } = used
    const { at, uuid } = await ordered(app, 'failing.test', { profile: 'by-hand' })
    const failed = await app.post(`${at}/fail`, { failReason: 'the other CA refuses' }, { follow: true })
    expect(failed.text).toContain('failing.test Failed')
    expect(failed.text).toContain('Why: the other CA refuses')
    const again = await app.post(`${at}/retry`, {}, { follow: true })
    expect(again.text).toContain('It is being signed.')
    expect(await statusOf(app, uuid)).toBe('signing')
  })

  it('is confirmed as revoked there', async () => {
    const { app } = used
    const { id, at, csr } = await ordered(app, 'confirm.test', { profile: 'by-hand' })
    const { der } = await ca.issue({ publicKey: csr.publicKey, identifiers: csr.identifiers, subject: csr.subject })
    await app.post(`${at}/upload`, { pem: pemEncode('CERTIFICATE', der) })
    const revoking = await revocation(app, id)
    expect(revoking.status).toBe('revoking')
    expect((await app.get(revoking.at, { by: app.operator })).text).not.toContain('Confirm: the authority')
    const done = await app.post(`${revoking.at}/confirm`, {}, { follow: true })
    expect(done.text).toContain('confirm.test Revoked')
  })
})
