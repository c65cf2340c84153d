import { beforeAll, describe, expect, it } from 'vitest'
import { raiseAlert } from '../../src/core/audit/alert.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor } from '../helpers/consoleCertificates.ts'
import { everywhere, hashOf, ordered, statusOf } from '../helpers/consoleRequests.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { auto, waits } from '../helpers/raApp.ts'

const used = useConsoleApp()
const ORDERS = '/console/orders'
const NONE = '01890000-0000-7000-8000-000000000000'

beforeAll(async () => {
  const { app } = used
  await app.save('decided', { rules: everywhere(waits) })
  await app.save('passes', { rules: everywhere(auto), protocols: { acme: {} } })
  const { admin } = app.world.core.as(system('test'))
  const { certificate: pem } = await foreignCa(app.world.time.now, { name: 'Elsewhere CA' })
  const { id } = await admin.addManualAuthority({ name: 'elsewhere-ca', pem })
  await app.save('by-hand', { authority: id, rules: everywhere(auto) })
})

const orderAt = (uuid: string) => `${ORDERS}/${uuid}`

async function denied(name: string, more: Parameters<typeof ordered>[2] = {}) {
  const { app } = used
  const order = await ordered(app, name, more)
  const fields = { hash: await hashOf(app, order.at), verdict: 'deny', reason: 'ask the network team' }
  await app.post(`${order.at}/vote`, fields, { by: app.approver })
  return order
}

describe('the list of orders', () => {
  it('has common name, order type, status, requester and duration', async () => {
    const { app } = used
    await ordered(app, 'complete.test', { profile: 'passes' })
    await ordered(app, 'pending.test')
    await ordered(app, 'processing.test', { profile: 'by-hand' })
    await ordered(app, 'acme.test', { profile: 'passes', draft: { protocol: 'acme' } })
    await denied('denied.test')
    const { text, status } = await app.get(ORDERS)
    expect(status).toBe(200)
    for (const head of ['Common name', 'Order type', 'Status', 'Requested by', 'Duration']) expect(text).toContain(head)
    expect(text).toMatch(/complete\.test Local PKI Console Complete operator just now [\d.]+ s/)
    expect(text).toMatch(/pending\.test Local PKI Console Pending operator just now [\d.]+ s so far/)
    expect(text).toMatch(/processing\.test External CA Console Processing operator/)
    expect(text).toMatch(/acme\.test ACME Complete operator/)
    expect(text).toMatch(/denied\.test Local PKI Console Failed: denied operator/)
  })

  it('is narrowed by the status of orders', async () => {
    const { app } = used
    const shown = async (status: string) => {
      const { text } = await app.get(`${ORDERS}?status=${status}`)
      return ['pending.test', 'processing.test', 'complete.test', 'denied.test'].filter((name) => text.includes(name))
    }
    expect(await shown('pending')).toEqual(['pending.test'])
    expect(await shown('processing')).toEqual(['processing.test'])
    expect(await shown('complete')).toEqual(['complete.test'])
    expect(await shown('failed')).toEqual(['denied.test'])
  })
})

describe('an order', () => {
  it('that is complete links to its certificate', async () => {
    const { app } = used
    const { uuid } = await ordered(app, 'linked.test', { profile: 'passes' })
    const { html, text } = await app.get(orderAt(uuid))
    expect(html).toContain(`href="/console/certificates/${uuid}"`)
    expect(text).toContain('linked.test Complete')
    expect(text).not.toContain('Send again')
  })

  it('that has failed shows the error and the parameters, and is sent again as a new order', async () => {
    const { app } = used
    const { uuid } = await denied('resend.test', { names: ['resend.test', 'b.resend.test'] })
    const by = app.operator
    const { text } = await app.get(orderAt(uuid), { by })
    expect(text).toContain('What went wrong ask the network team')
    expect(text).toContain('Names dns:resend.test dns:b.resend.test')
    expect(text).toContain('-----BEGIN CERTIFICATE REQUEST-----')
    const sent = await app.post(`${orderAt(uuid)}/again`, {}, { by })
    expect(sent.status).toBe(303)
    const next = sent.location?.split('/').at(-1) ?? ''
    expect(next).not.toBe(uuid)
    expect(await statusOf(app, next)).toBe('requested')
    expect(await statusOf(app, uuid)).toBe('denied')
    const door = doorFor(app, app.admin)
    const [before, after] = [await door.list.request(uuid), await door.list.request(next)]
    expect({ ...after.wanted, key: after.key }).toEqual({ ...before.wanted, key: before.key })
    expect((await app.get(orderAt(next), { by })).text).toContain('resend.test Pending')
  })

  it('is sent again as an order of whoever sends it, by the rules for him', async () => {
    const { app } = used
    const { uuid } = await denied('other-sends.test')
    const by = await app.person('sender', { capabilities: ['create_cert', 'read'] })
    const sent = await app.post(`${orderAt(uuid)}/again`, {}, { by, follow: true })
    expect(sent.text).toContain('This is the new order, with the same parameters.')
    expect(sent.text).toContain('Requested by sender')
  })
})

describe('orders refuse', () => {
  it('to be sent again while they have not failed, or by who may not order', async () => {
    const { app } = used
    const waiting = await ordered(app, 'notyet.test')
    const early = await app.post(`${orderAt(waiting.uuid)}/again`)
    expect(early.status).toBe(409)
    expect(early.text).toContain('It has not failed.')
    const { uuid } = await denied('forbidden.test')
    const reader = await app.person('reader', { capabilities: ['read'] })
    expect(await app.post(`${orderAt(uuid)}/again`, {}, { by: reader })).toMatchObject({ status: 403 })
  })

  it('to make a certificate for a key that the server made for another order', async () => {
    const { app } = used
    const profile = await app.world.profile('decided')
    const door = doorFor(app, app.operator)
    const wishes = {
      subject: [[{ type: 'CN', value: 'kept-key.test' }]],
      identifiers: [{ type: 'dns', value: 'kept-key.test' } as const],
    }
    const { claim, ...made } = await door.serverKeys.order(profile, { protocol: 'console', ...wishes })
    const draft = { profile, protocol: 'console', action: 'issue', refusal: 'store', ...made } as const
    const { request } = await door.sign(draft, claim)
    await door.approvals.cancel('sign', request.id)
    expect((await app.get(orderAt(request.uuid))).text).toContain('Its key was made by the server for that order alone')
    expect(await app.post(`${orderAt(request.uuid)}/again`)).toMatchObject({ status: 409 })
  })

  it("another organization's", async () => {
    const { app } = used
    const { uuid } = await denied('hidden.test')
    for (const path of [orderAt(uuid), orderAt(NONE)]) {
      const answer = await app.get(path, { by: app.stranger })
      expect(answer.status).toBe(404)
      expect(answer.text).not.toContain('hidden.test')
    }
    expect(await app.post(`${orderAt(uuid)}/again`, {}, { by: app.stranger })).toMatchObject({ status: 404 })
  })
})

describe('alerts', () => {
  it('of a failed order lead to it, and are closed once reviewed', async () => {
    const { app } = used
    const { uuid, at } = await ordered(app, 'alert.test', { profile: 'by-hand' })
    await app.post(`${at}/fail`, { failReason: 'it never came' })
    const { id, organizationId } = await app.world.core
      .as(system('test'))
      .list.record(uuid)
      .then(({ request }) => request)
    const alert = {
      kind: 'order_failed',
      organizationId,
      subject: { kind: 'sign_request', id },
      detail: 'it never came',
    } as const
    await transaction(app.world.it.db, (db) => raiseAlert(db, app.world.time.now, alert))
    const { text, html } = await app.get('/console/alerts')
    expect(text).toMatch(/An order failed it never came the order/)
    const about = /href="(\/console\/alerts\/about\/sign_request\/\d+)"/.exec(html)?.[1] ?? ''
    expect(await app.get(about)).toMatchObject({ status: 303, location: orderAt(uuid) })
    const close = /action="(\/console\/alerts\/\d+\/close)"/.exec(html.slice(html.indexOf(about)))?.[1] ?? ''
    const done = await app.post(close, {}, { follow: true })
    expect(done.text).toMatch(/Alert \d+ is closed\./)
    expect(done.html).not.toContain(about)
    expect(await app.post(close)).toMatchObject({ status: 404 })
  })

  it('lead to authorities, profiles, users, certificates and revocations', async () => {
    const { app } = used
    const { id } = await app.world.profile('passes')
    const [authority] = await doorFor(app, app.admin).admin.authorities()
    const order = await ordered(app, 'lead.test', { profile: 'passes' })
    const to = async (what: string) => (await app.get(`/console/alerts/about/${what}`)).location
    expect(await to(`profile/${id}`)).toBe('/console/profiles/passes')
    expect(await to(`authority/${authority?.id}`)).toBe(`/console/authorities/${authority?.name}`)
    expect(await to(`user/${app.operator.id}`)).toBe('/console/people/user/operator')
    expect(await to(`certificate/${order.id}`)).toBe(`/console/certificates/${order.uuid}`)
    expect(await app.get('/console/alerts/about/nonsense/1')).toMatchObject({ status: 404 })
    expect(await app.get('/console/alerts/about/user/x')).toMatchObject({ status: 404 })
  })

  it('are for administrators, each for his own organization', async () => {
    const { app } = used
    const { id: organizationId } = await app.world.core
      .as(system('test'))
      .admin.organizations()
      .then((all) => all.find(({ name }) => name === 'default') ?? { id: 0 })
    const alert = {
      kind: 'made_up',
      organizationId,
      subject: { kind: 'installation', id: null },
      detail: 'here alone',
    } as const
    await transaction(app.world.it.db, (db) => raiseAlert(db, app.world.time.now, alert))
    const own = await app.get('/console/alerts')
    expect(own.text).toContain('Made up here alone')
    const close =
      /action="(\/console\/alerts\/\d+\/close)"/.exec(own.html.slice(own.html.indexOf('here alone')))?.[1] ?? ''
    const reader = await app.get('/console/alerts', { by: app.operator })
    expect(reader.text).toContain('Alerts are for administrators.')
    expect(reader.text).not.toContain('here alone')
    expect((await app.get('/console/alerts', { by: app.stranger })).text).not.toContain('here alone')
    expect(await app.post(close, {}, { by: app.stranger })).toMatchObject({ status: 404 })
    expect([403, 404]).toContain((await app.post(close, {}, { by: app.operator })).status)
    expect((await app.get('/console/alerts')).text).toContain('here alone')
  })
})
