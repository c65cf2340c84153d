import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { webhookUpkeep } from '../../src/reach/webhookCourier.ts'
import { doorOf, type Person, useRaApp } from '../helpers/raApp.ts'
import { createReceiver, type Receiver } from '../helpers/webhookReceiver.ts'
import { newCsr } from '../helpers/world.ts'

const path = '/v1/countersign/webhooks'

describe('webhooks over REST', () => {
  const its = useRaApp()
  let receiver: Receiver
  let chief: Person
  beforeAll(async () => {
    receiver = await createReceiver()
    chief = await its.app.person('chief', { admin: true })
    const asking = [{ name: 'ticket', require: [{ users: ['tickets'] }] }]
    tickets = (await add({ name: 'tickets', events: ['requested', 'decided', 'issued'], decidesAs: 'tickets' })).json
    await its.app.save('asking', { rules: { issue: asking } })
  })
  afterAll(() => receiver.close())

  let tickets: { uuid: string; secret: string; inboundSecret: string }
  const add = (body: object, by = chief) => its.app.call('post', path, { by, body: { url: receiver.url, ...body } })
  async function upkeep(): Promise<void> {
    const { it } = its.app.world
    while ((await sealAudit(it.db, it.auditSecret)) > 0);
    for (const { run, settled } of webhookUpkeep(it)) {
      await run()
      await settled?.()
    }
  }
  async function order(name: string) {
    const { world, operator } = its.app
    const csr = await newCsr([name])
    const draft = { profile: await world.profile('asking'), protocol: 'ra', action: 'issue', csr } as const
    const asked = { ...draft, identifiers: csr.identifiers, refusal: 'store' } as const
    return (await doorOf(its.app, operator).sign(asked)).request
  }
  /** As a ticket system would, with nothing of ours. */
  function decide(decision: object, how: { secret?: string; at?: number; to?: string; raw?: string } = {}) {
    const raw = how.raw ?? JSON.stringify(decision)
    const timestamp = String(Math.floor((how.at ?? its.app.world.time.now.getTime()) / 1000))
    const mac = createHmac('sha256', how.secret ?? tickets.inboundSecret)
      .update(`${timestamp}.${raw}`)
      .digest('hex')
    const headers = { 'x-countersign-timestamp': timestamp, 'x-countersign-signature': `v1=${mac}` }
    return its.app.call('post', `${path}/${how.to ?? tickets.uuid}/decisions`, { by: null, raw, headers })
  }

  test('a ticket system is told of an order, approves it, and is told that it is issued', async () => {
    const request = await order('ticket.test')
    await upkeep()
    const [asked] = receiver.heard
    expect(receiver.verify(asked as never, tickets.secret, its.app.world.time.now)).toBe(true)
    expect(asked?.json).toMatchObject({ type: 'requested', data: { uuid: request.uuid, requester: 'operator' } })
    const { uuid, hash } = asked?.json.data ?? {}
    const decision = { id: 'T-1', request: uuid, hash, verdict: 'approve', ticket: 'CHG0001', user: 'j.doe' }
    const first = await decide(decision)
    expect([first.status, first.json]).toEqual([200, { status: 'signing' }])
    expect((await decide(decision)).json).toEqual({ status: 'signing' })
    await upkeep()
    expect(receiver.heard.map(({ json }) => json.type)).toEqual(['requested', 'decided', 'issued'])
    const shown = await its.app.call('get', `/v1/countersign/signRequests/${uuid}`, { by: its.app.admin })
    expect(shown.json.status).toBe('signed')
  })

  test('decisions are refused that are not signed so, come late, are unreadable, or too long', async () => {
    const request = await order('refused.test')
    const { hash } = await doorOf(its.app, its.app.admin).approvals.review('sign', request.id)
    const decision = { id: 'T-2', request: request.uuid, hash, verdict: 'approve', ticket: 'CHG0002' }
    const now = its.app.world.time.now.getTime()
    const nobody = '01890000-0000-7000-8000-000000000000'
    const refused: [Parameters<typeof decide>, number][] = [
      [[decision, { secret: 'wrong' }], 401],
      [[decision, { secret: tickets.secret }], 401],
      [[decision, { at: now - 301_000 }], 401],
      [[decision, { at: now + 302_000 }], 401],
      [[decision, { to: nobody }], 404],
      [[decision, { to: 'no uuid' }], 404],
      [[{ ...decision, id: 'T-3', hash: 'f'.repeat(64) }], 409],
      [[{ ...decision, id: 'T-4', request: nobody }], 404],
      [[{ ...decision, id: 'T-5', verdict: 'deny' }], 400],
      [[{ ...decision, id: 'T 6' }], 400],
      [[{ ...decision, more: 1 }], 400],
      [[{}, { raw: '' }], 400],
      [[{}, { raw: '[1' }], 400],
      [[{}, { raw: 'x'.repeat(70_000) }], 413],
    ]
    for (const [[body, how], status] of refused)
      expect((await decide(body, how)).status, JSON.stringify([body, how]).slice(0, 200)).toBe(status)
    const unsigned = await its.app.call('post', `${path}/${tickets.uuid}/decisions`, { by: null, body: decision })
    expect(unsigned.status).toBe(401)
    expect(
      (await its.app.call('get', `/v1/countersign/signRequests/${request.uuid}`, { by: its.app.admin })).json.status,
    ).toBe('requested') // prettier-ignore
    expect(
      (await its.app.call('patch', `${path}/${tickets.uuid}`, { by: chief, body: { enabled: false } })).status,
    ).toBe(200) // prettier-ignore
    expect((await decide(decision)).status).toBe(404)
    await its.app.call('patch', `${path}/${tickets.uuid}`, { by: chief, body: { enabled: true } })
    expect((await decide(decision)).status).toBe(200)
  })

  test('an administrator names, reads, changes, tests and deletes webhooks; secrets are shown once', async () => {
    receiver.heard.length = 0
    const made = await add({ name: 'portal', events: ['issued'], profiles: ['rest'], csr: true })
    expect([made.status, made.json.url, made.json.decidesAs]).toEqual([201, receiver.url, null])
    expect(made.json).not.toHaveProperty('inboundSecret')
    const one = `${path}/${made.json.uuid}`
    const call = (method: 'get' | 'post' | 'patch' | 'delete', below = '', body?: object) =>
      its.app.call(method, one + below, { by: chief, ...(body ? { body } : {}) })
    const read = await call('get')
    const { secret, ...rest } = made.json
    expect(read.json).toEqual(rest)
    const list = await its.app.call('get', path, { by: chief })
    expect(list.json.map(({ name }: { name: string }) => name)).toEqual(['portal', 'tickets'])
    expect(list.text + read.text).not.toContain(secret)

    const changed = await call('patch', '', { events: [], profiles: null })
    expect(changed.json).toMatchObject({ events: [], profiles: null, csr: true })
    const pinged = await call('post', '/ping')
    expect(pinged.status).toBe(202)
    receiver.answer = 500
    await upkeep()
    expect((await call('get')).json).toMatchObject({ pending: 1, failures: 1 })
    receiver.answer = 204
    expect((await call('post', `/deliveries/${pinged.json.delivery}/redeliver`)).status).toBe(204)
    await upkeep()
    const pings = receiver.heard.filter(({ json }) => json.type === 'ping')
    expect(pings.map(({ json }) => json.id)).toEqual(Array(2).fill(pinged.json.delivery))
    await call('post', '/ping')
    const page = await call('get', '/deliveries?limit=1')
    expect(page.json.deliveries).toMatchObject([{ type: 'ping', status: 'pending', attempts: 0, lastAttemptAt: null }])
    const next = await call('get', `/deliveries?limit=1&after=${page.json.next}`)
    expect(next.json).toMatchObject({ deliveries: [{ uuid: pinged.json.delivery, status: 'delivered', attempts: 2 }] })
    expect(next.json).not.toHaveProperty('next')
    expect((await call('get', '/deliveries?status=dead')).json).toEqual({ deliveries: [] })

    const rotated = await call('post', '/secret', { which: 'outbound' })
    expect(rotated.status).toBe(201)
    await upkeep()
    const { now } = its.app.world.time
    for (const good of [rotated.json.secret, secret])
      expect(receiver.verify(receiver.heard.at(-1) as never, good, now)).toBe(true)
    expect((await call('post', '/secret', { which: 'inbound' })).status).toBe(409)
    expect((await call('delete')).status).toBe(204)
    expect((await call('get')).status).toBe(404)
  })

  test('nobody else: 401, 403, and 404 as for none in another organization', async () => {
    const { operator, stranger } = its.app
    const one = `${path}/${tickets.uuid}`
    const calls: [Parameters<typeof its.app.call>[0], string, object | undefined][] = [
      ['get', one, undefined],
      ['patch', one, { enabled: false }],
      ['delete', one, undefined],
      ['post', `${one}/secret`, { which: 'inbound' }],
      ['get', `${one}/deliveries`, undefined],
      ['post', `${one}/deliveries/${tickets.uuid}/redeliver`, undefined],
      ['post', `${one}/ping`, undefined],
    ]
    for (const [method, at, body] of calls) {
      const sent = body ? { body } : {}
      expect((await its.app.call(method, at, { by: null, ...sent })).status).toBe(401)
      expect((await its.app.call(method, at, { by: operator, ...sent })).status).toBe(403)
      const foreign = await its.app.call(method, at, { by: stranger, ...sent })
      expect([foreign.status, foreign.json]).toEqual([404, { message: 'there is no such webhook' }])
    }
    expect((await its.app.call('get', path, { by: operator })).status).toBe(403)
    expect((await its.app.call('get', path, { by: stranger })).json).toEqual([])
    expect((await its.app.call('get', `${path}?organization=default`, { by: stranger })).status).toBe(404)
    expect((await its.app.call('get', `${path}?organization=elsewhere`, { by: its.app.admin })).json).toEqual([])
  })

  test('bad input: what is wrong is said', async () => {
    const wrong: [object, number][] = [
      [{ name: 'tickets' }, 409],
      [{}, 422],
      [{ name: 'x', url: 'ftp://a.test' }, 400],
      [{ name: 'x', url: 5 }, 400],
      [{ name: 'x', events: ['everything'] }, 400],
      [{ name: 'x', profiles: ['nothing'] }, 404],
      [{ name: 'x', ca: 'no pem' }, 400],
      [{ name: 'x', secret: 'mine' }, 422],
      [{ name: 'x', decidesAs: 'chief' }, 409],
      [{ name: 'x', organization: 'elsewhere' }, 404],
      [{ name: 'x'.repeat(1000) }, 422],
    ]
    for (const [body, status] of wrong) {
      const refused = await add(body)
      expect([refused.status, refused.text.length > 10], JSON.stringify(body).slice(0, 100)).toEqual([status, true])
    }
    for (const body of [{ which: 'both' }, { which: 'outbound', overlap: -1 }, { which: 'outbound', overlap: 1e9 }])
      expect([400, 422]).toContain(
        (await its.app.call('post', `${path}/${tickets.uuid}/secret`, { by: chief, body })).status,
      ) // prettier-ignore
    for (let n = 2; n <= 20; n++) expect((await add({ name: `n${n}` })).status).toBe(201)
    expect((await add({ name: 'one more' })).status).toBe(409)
  })

  test('the document says what a decision looks like', async () => {
    const { json } = await its.app.call('get', '/openapi.json', { by: null })
    const { post } = json.paths[`${path}/{uuid}/decisions`]
    expect(post.security).toEqual([])
    const { schema } = post.requestBody.content['application/json']
    expect(schema.required).toEqual(['id', 'request', 'hash', 'verdict', 'ticket'])
  })
})
