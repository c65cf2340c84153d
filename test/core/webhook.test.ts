import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { RequestKind } from '../../src/core/approval.ts'
import { attendWaiting } from '../../src/core/attend.ts'
import { expireWaiting } from '../../src/core/expire.ts'
import { runDueJobs } from '../../src/core/jobs.ts'
import { sealAudit } from '../../src/core/seal.ts'
import { VALIDATION_JOB } from '../../src/core/validationSettings.ts'
import { walkValidations } from '../../src/core/validationWalk.ts'
import { verifyAudit } from '../../src/core/verify.ts'
import { forgetDeliveries } from '../../src/core/webhookDeliveries.ts'
import { DELIVERY_HEADER, deliverDue, EVENT_HEADER, pauseAfter } from '../../src/core/webhookDelivery.ts'
import type { WebhookDraft } from '../../src/core/webhookEndpoint.ts'
import { webhookEventTypes } from '../../src/core/webhookEvent.ts'
import { fillOutboxes } from '../../src/core/webhookOutbox.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { postWebhook } from '../../src/http/webhookPost.ts'
import { webhookUpkeep } from '../../src/webhookCourier.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createReceiver, type Receiver } from '../helpers/webhookReceiver.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const hour = 3_600_000
const day = 24 * hour
const all = [{ name: 'all', auto: true }]
const asking = [
  { name: 'no', when: 'identifiers.exists(i, i.value.startsWith("no"))', deny: 'not this name' },
  { name: 'self', when: 'identifiers.exists(i, i.value.startsWith("auto"))', auto: true },
  {
    name: 'slow',
    when: 'identifiers.exists(i, i.value.startsWith("slow"))',
    require: [{ users: ['alice'], expires: '9d', escalate: { after: '1d', users: ['chief'] } }],
  },
  { name: 'chief', require: [{ users: ['chief'], expires: '2d' }] },
]

describe.each(databases)('webhooks, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let url: string
  let receiver: Receiver
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    url = opened.url
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await world.save('web', { rules: { issue: asking, revoke: all } })
    await world.save('other', { rules: { issue: all } })
    receiver = await createReceiver()
  })
  afterEach(async () => {
    receiver.answer = 204
    receiver.onMessage = undefined
    for (const { uuid } of await webhooks().list()) await webhooks().remove(uuid)
    receiver.heard.length = 0
  })
  afterAll(async () => {
    await receiver.close()
    await close()
  })

  const webhooks = (user = people.chief) => people.as(user).webhooks
  let number = 0
  const add = (more: Partial<WebhookDraft> = {}) =>
    webhooks().add({ name: `hook ${++number}`, url: receiver.url, events: [...webhookEventTypes], ...more })
  async function order(name: string, profile = 'web') {
    const csr = await newCsr([name])
    const draft = { profile: await world.profile(profile), protocol: 'acme', action: 'issue', csr } as const
    const asked = { ...draft, identifiers: csr.identifiers, refusal: 'store' } as const
    return (await world.core.as(acmeAccount()).sign(asked)).request
  }
  const revoke = (certificate: number, reason = 'superseded') =>
    world.core.as(acmeAccount()).revoke({ protocol: 'acme', certificate, grounds: 'account', reason })
  const seal = async (): Promise<void> => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
  }
  async function fill(): Promise<number> {
    await seal()
    return fillOutboxes(world.it)
  }
  async function upkeep(): Promise<void> {
    await seal()
    for (const { run } of webhookUpkeep(world.it)) await run()
  }
  const told = () => receiver.heard.map(({ json: { type, data } }) => `${type} ${data.outcome ?? data.status}`)
  async function vote(request: { id: number }, verdict: 'approve' | 'deny', kind: RequestKind = 'sign') {
    const approvals = people.as(people.chief).approvals
    const { hash } = await approvals.review(kind, request.id)
    return approvals.vote(kind, request.id, { verdict, hash, reason: 'as the ticket says' })
  }

  test('what happens to an order is told in order, signed, and nothing of before', async () => {
    await order('auto-before.test')
    const hook = await add()
    const request = await order('a.test')
    await vote(request, 'approve')
    await revoke(request.id)
    await upkeep()
    expect(told()).toEqual([
      'requested requested',
      'decided approved',
      'issued signed',
      // One transaction, in the order in which its trail was written.
      'revoked revoked',
      'decided approved',
    ])
    const [first, , issued, revoked] = receiver.heard
    expect(first?.json).toEqual({
      version: 1,
      id: first?.headers[DELIVERY_HEADER],
      type: 'requested',
      at: world.time.now.toISOString(),
      organization: 'default',
      data: {
        kind: 'sign',
        uuid: request.uuid,
        status: 'requested',
        action: 'issue',
        revision: 1,
        protocol: 'acme',
        profile: 'web',
        authority: 'issuing',
        requester: 'ACME account account-1',
        names: ['a.test'],
        subject: 'CN=a.test',
        rule: 'chief',
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    })
    const certificate = await people.operator.findCertificate({ id: request.id })
    expect(issued?.json.data).toMatchObject({
      names: ['a.test'],
      certificate: {
        uuid: request.uuid,
        serial: certificate?.serial,
        fingerprint: certificate?.fingerprint,
        notAfter: certificate?.notAfter.toISOString(),
      },
    })
    expect(revoked?.json.data).toMatchObject({
      kind: 'certificate',
      uuid: request.uuid,
      revocationReason: 'superseded',
    })
    for (const message of receiver.heard) {
      expect(receiver.verify(message, hook.secret, world.time.now)).toBe(true)
      expect(receiver.verify(message, 'another secret', world.time.now)).toBe(false)
      expect(receiver.verify({ ...message, body: `${message.body} ` }, hook.secret, world.time.now)).toBe(false)
      expect(message.headers[EVENT_HEADER]).toBe(message.json.type)
      expect(message.body).not.toMatch(/secret|token|BEGIN/i)
    }
    expect(new Set(receiver.heard.map(({ json }) => json.id)).size).toBe(5)
    await upkeep()
    expect(receiver.heard).toHaveLength(5)
  })

  test('denials, by people and by rules, say why; so do expiry, withdrawal and failure; a hold is lifted', async () => {
    await add()
    await order('no.test')
    await vote(await order('denied.test'), 'deny')
    const withdrawn = await order('withdrawn.test')
    await world.core.as(acmeAccount()).approvals.cancel('sign', withdrawn.id, 'not needed')
    const failed = await order('failed.test')
    await people.as(people.root).approvals.markFailed('sign', failed.id, 'it is of no use')
    const held = await order('auto.test')
    await people.give(people.alice, 'revoke_cert')
    await revoke(held.id, 'certificateHold')
    await people.as(people.alice).unhold({ certificate: held.id, protocol: 'ra' })
    await order('expires.test')
    world.time.pass(3 * day)
    await expireWaiting(world.it.db, world.time.now)
    await upkeep()
    expect(receiver.heard.map(({ json: { type, data } }) => [type, data.outcome ?? data.status, data.reason])).toEqual([
      ['decided', 'denied', 'not this name'],
      ['requested', 'requested', undefined],
      ['decided', 'denied', 'as the ticket says'],
      ['requested', 'requested', undefined],
      ['decided', 'canceled', 'not needed'],
      ['requested', 'requested', undefined],
      ['failed', 'failed', 'it is of no use'],
      ['decided', 'approved', undefined],
      ['issued', 'signed', undefined],
      ['revoked', 'hold', undefined],
      ['decided', 'approved', undefined],
      ['released', 'issued', undefined],
      ['requested', 'requested', undefined],
      ['decided', 'expired', expect.stringMatching(/./)],
    ])
  })

  test('others are called to decide; a certificate nears its end', async () => {
    await add({ events: ['decided', 'expiring'] })
    const slow = await order('slow.test')
    const { hash } = await people.as(people.root).approvals.review('sign', slow.id)
    world.time.pass(25 * hour)
    await attendWaiting(world.it.db, world.time.now)
    const ending = await order('auto-ends.test', 'other')
    const { inventory } = people.as(people.chief)
    await inventory.setValidation('other', { enabled: true, expiringThreshold: 20 })
    world.time.pass(75 * day)
    const { db, node, clock, log } = world.it
    const handlers = { [VALIDATION_JOB]: (ref: string) => walkValidations(world.it, ref) }
    for (let more = 1; more > 0; ) more = await runDueJobs({ db, node, clock, log, handlers })
    await upkeep()
    const [escalated] = receiver.heard
    expect(escalated?.json).toMatchObject({
      type: 'decided',
      data: { outcome: 'escalated', status: 'requested', uuid: slow.uuid, hash, rule: 'slow' },
    })
    const expiring = receiver.heard.filter(({ json }) => json.type === 'expiring')
    const one = expiring.find(({ json }) => json.data.uuid === ending.uuid)
    const { notAfter, serial } = (await people.operator.findCertificate({ id: ending.id })) ?? {}
    expect(one?.json.data).toMatchObject({
      kind: 'certificate',
      names: ['auto-ends.test'],
      profile: 'other',
      certificate: { serial, notAfter: notAfter?.toISOString() },
    })
    await inventory.setValidation('other', { enabled: false })
  })

  test('an endpoint hears what it wants, of the profiles that it wants, of its organization alone', async () => {
    await add({ events: ['issued'], profiles: ['other'], csr: true })
    const elsewhere = await people.as(people.stranger).webhooks.add({
      name: 'theirs',
      url: receiver.url,
      events: [...webhookEventTypes],
    })
    const both = await add({ events: ['requested'], csr: true })
    await order('auto-b.test')
    await order('c.test', 'other')
    const asked = await order('d.test')
    await upkeep()
    expect(receiver.heard.map(({ json: { type, data } }) => [type, ...data.names])).toEqual(
      expect.arrayContaining([
        ['issued', 'c.test'],
        ['requested', 'd.test'],
      ]),
    )
    expect(receiver.heard).toHaveLength(2)
    const { csr } = receiver.heard.find(({ json }) => json.type === 'requested')?.json.data ?? {}
    expect(Buffer.from(csr, 'base64')).toEqual(asked.csr)
    await webhooks().change(both.uuid, { enabled: false })
    await order('e.test')
    await webhooks().change(both.uuid, { enabled: true })
    await upkeep()
    expect(receiver.heard).toHaveLength(2)
    await people.as(people.stranger).webhooks.remove(elsewhere.uuid)
  })

  test('one that is down for hours gets everything in order; growing pauses, the same ids', async () => {
    const hook = await add({ events: ['requested'] })
    receiver.answer = 503
    const names = ['1.test', '2.test', '3.test']
    for (const name of names) await order(name)
    const until = world.time.now.getTime() + 6 * hour
    for (; world.time.now.getTime() < until; world.time.pass(10 * 60_000)) await upkeep()
    const ids = new Set(receiver.heard.map(({ json }) => json.id))
    expect(ids.size, 'those behind the first wait').toBe(1)
    expect(receiver.heard.length).toBeGreaterThan(5)
    expect(receiver.heard.length).toBeLessThan(16)
    expect(new Set(receiver.heard.map(({ body }) => body)).size).toBe(1)
    expect(await webhooks().read(hook.uuid)).toMatchObject({ pending: 3, dead: 0, failures: receiver.heard.length })
    const { deliveries } = await webhooks().deliveries(hook.uuid)
    expect(deliveries.at(-1)).toMatchObject({
      status: 'pending',
      attempts: receiver.heard.length,
      lastError: 'the webhook answered with the status 503',
    })
    receiver.answer = 200
    receiver.heard.length = 0
    world.time.pass(day)
    await upkeep()
    expect(receiver.heard.map(({ json }) => json.data.names[0])).toEqual(names)
    expect(ids.has(receiver.heard[0]?.json.id)).toBe(true)
    expect(receiver.verify(receiver.heard[0] as never, hook.secret, world.time.now)).toBe(true)
    expect(await webhooks().read(hook.uuid)).toMatchObject({ pending: 0, failures: 0, nextAttemptAt: null })
    expect([1, 2, 3].map(pauseAfter)).toEqual([10_000, 20_000, 40_000])
    expect(pauseAfter(100)).toBe(day)
  })

  test('after three days a message is given up, an alert tells so, and it is sent again by hand', async () => {
    const hook = await add({ events: ['requested'] })
    receiver.answer = 302
    await order('old.test')
    for (let n = 0; n < 20; n += 1, world.time.pass(6 * hour)) await upkeep()
    expect(await webhooks().read(hook.uuid)).toMatchObject({ pending: 0, dead: 1 })
    const alerts = () => people.as(people.root).admin.alerts()
    expect((await alerts()).filter(({ kind }) => kind === 'webhook_failed')).toHaveLength(1)
    const [dead] = (await webhooks().deliveries(hook.uuid, { status: 'dead' })).deliveries
    expect(dead).toMatchObject({ lastError: 'the webhook answered with the status 302' })
    const { length } = receiver.heard
    receiver.answer = 204
    world.time.pass(day)
    await upkeep()
    expect(receiver.heard, 'what was given up stays so').toHaveLength(length)
    await webhooks().redeliver(hook.uuid, dead?.uuid ?? '')
    await upkeep()
    expect(receiver.heard).toHaveLength(length + 1)
    expect(receiver.heard.at(-1)?.json.id).toBe(dead?.uuid)
    expect((await webhooks().deliveries(hook.uuid)).deliveries).toMatchObject([
      { status: 'delivered', lastError: null },
    ])
    expect((await alerts()).filter(({ kind }) => kind === 'webhook_failed')).toHaveLength(0)
    world.time.pass(31 * day)
    await forgetDeliveries(world.it)
    expect((await webhooks().deliveries(hook.uuid)).deliveries).toEqual([])
  })

  test('a process that dies between sending and marking: it is sent again, with the same id', async () => {
    await add({ events: ['requested'] })
    await order('killed.test')
    await order('next.test')
    await fill()
    const other = openDatabase(url)
    const dying = { ...world.it, db: other, node: 'dying' }
    receiver.onMessage = async () => {
      receiver.onMessage = undefined
      await closeDatabase(other)
    }
    await expect(deliverDue(dying, postWebhook)).rejects.toThrow()
    expect(receiver.heard).toHaveLength(1)
    await deliverDue(world.it, postWebhook)
    expect(receiver.heard, 'its lease still runs').toHaveLength(1)
    world.time.pass(60_000)
    await deliverDue(world.it, postWebhook)
    const [killed, again, next] = receiver.heard
    expect(again?.json.id).toBe(killed?.json.id)
    expect(again?.body).toBe(killed?.body)
    expect(next?.json.data.names).toEqual(['next.test'])
    expect(receiver.heard).toHaveLength(3)
  })

  test('two nodes at once hand out and deliver once, in order', async () => {
    await add({ events: ['requested'] })
    await add({ events: ['requested'] })
    const names = Array.from({ length: 10 }, (_, i) => `n${i}.test`)
    for (const name of names) await order(name)
    await seal()
    const other = openDatabase(url)
    const nodes = [world.it, { ...world.it, db: other, node: randomBytes(8).toString('hex') }]
    await Promise.all(nodes.map((node) => fillOutboxes(node)))
    await Promise.all([...nodes, ...nodes].map((node, part) => deliverDue(node, postWebhook, String(part))))
    await closeDatabase(other)
    expect(receiver.heard).toHaveLength(20)
    const bySecond = (json: { data: { names: string[] } }) => json.data.names[0]
    const seen = receiver.heard.map(({ json }) => bySecond(json))
    for (const name of names) expect(seen.filter((one) => one === name)).toHaveLength(2)
    for (const { uuid } of await webhooks().list()) {
      const ids = new Set((await webhooks().deliveries(uuid)).deliveries.map((one) => one.uuid))
      const its = receiver.heard.filter(({ json }) => ids.has(json.id)).map(({ json }) => bySecond(json))
      expect(its).toEqual(names)
    }
  })

  test('a secret is changed: both sign for a while; a ping; what is written down', async () => {
    const hook = await add({ events: [] })
    const { secret, until } = await webhooks().rotateSecret(hook.uuid, { which: 'outbound', overlap: 2 })
    const { delivery } = await webhooks().ping(hook.uuid)
    await upkeep()
    const [message] = receiver.heard
    expect(message?.json).toMatchObject({ id: delivery, type: 'ping', data: { webhook: hook.name } })
    for (const one of [secret, hook.secret]) expect(receiver.verify(message as never, one, world.time.now)).toBe(true)
    world.time.now = until
    await webhooks().ping(hook.uuid)
    await upkeep()
    expect(receiver.verify(receiver.heard[1] as never, secret, world.time.now)).toBe(true)
    expect(receiver.verify(receiver.heard[1] as never, hook.secret, world.time.now)).toBe(false)
    await expect(webhooks().rotateSecret(hook.uuid, { which: 'inbound' })).rejects.toMatchObject(failure('conflict'))
    await webhooks().change(hook.uuid, { enabled: false })
    await expect(webhooks().ping(hook.uuid)).rejects.toMatchObject(failure('conflict'))
    const trail = JSON.stringify([
      ...(await audited(world, 'webhook.created')),
      ...(await audited(world, 'webhook.secret_rotated')),
    ])
    expect(trail).toContain('127.0.0.1')
    for (const hidden of [secret, hook.secret, 'token=t']) expect(trail).not.toContain(hidden)
    await seal()
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })

  test('administrators of the organization alone; names, profiles and addresses are held to what they may be', async () => {
    const hook = await add()
    const missing = failure('notFound', /no such webhook/)
    const theirs = people.as(people.stranger).webhooks
    for (const ask of [
      () => theirs.read(hook.uuid),
      () => theirs.change(hook.uuid, { enabled: false }),
      () => theirs.remove(hook.uuid),
      () => theirs.rotateSecret(hook.uuid, { which: 'outbound' }),
      () => theirs.deliveries(hook.uuid),
      () => theirs.ping(hook.uuid),
      () => webhooks().read('01890000-0000-7000-8000-000000000000'),
    ])
      await expect(ask()).rejects.toMatchObject(missing)
    const own = people.as(people.alice).webhooks
    for (const ask of [() => own.list(), () => own.read(hook.uuid), () => own.add({ name: 'mine', url: receiver.url })])
      await expect(ask()).rejects.toMatchObject(failure('forbidden'))
    const nowhere = failure('notFound', /no such delivery/)
    await expect(webhooks().redeliver(hook.uuid, hook.uuid)).rejects.toMatchObject(nowhere)
    const wrong: [Partial<WebhookDraft>, Parameters<typeof failure>][] = [
      [{ name: hook.name }, ['conflict', /already/]],
      [{ url: 'ftp://a.test/' }, ['malformed', /url/]],
      [{ url: 'https://user@a.test/' }, ['malformed', /url/]],
      [{ url: null }, ['malformed', /decidesAs/]],
      [{ events: ['ping' as never] }, ['malformed', /events/]],
      [{ profiles: ['nothing'] }, ['notFound', /nothing/]],
      [{ decidesAs: 'alice' }, ['conflict', /alice/]],
      [{ name: 'a\u0000b' }, ['malformed', /name/]],
    ]
    for (const [draft, refused] of wrong) await expect(add(draft)).rejects.toMatchObject(failure(...refused))
    for (const address of ['http://198.51.100.1/', 'https://169.254.169.254/', 'http://[::ffff:127.0.0.1]/']) {
      await webhooks().change(hook.uuid, { url: address })
      await webhooks().ping(hook.uuid)
      await upkeep()
      const [oldest] = (await webhooks().deliveries(hook.uuid)).deliveries.slice(-1)
      expect(oldest?.lastError).toMatch(/may not be at|needs https/)
    }
  })
})
