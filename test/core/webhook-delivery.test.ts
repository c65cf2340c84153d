import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { createWebhookCouriers, deliverDue } from '../../src/core/webhook/webhookCouriers.ts'
import { forgetDeliveries } from '../../src/core/webhook/webhookDeliveries.ts'
import { pauseAfter } from '../../src/core/webhook/webhookDelivery.ts'
import type { WebhookDraft } from '../../src/core/webhook/webhookEndpoint.ts'
import { fillOutboxes } from '../../src/core/webhook/webhookOutbox.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { postWebhook } from '../../src/http/webhookPost.ts'
import { databases } from '../helpers/databases.ts'
import { audited, failure } from '../helpers/people.ts'
import { until } from '../helpers/until.ts'
import { createWebhookWorld, type WebhookWorld } from '../helpers/webhookWorld.ts'

const hour = 3_600_000
const day = 24 * hour

describe.each(databases)('deliveries to webhooks, on $name', ({ open }) => {
  let its: WebhookWorld
  beforeAll(async () => {
    its = await createWebhookWorld(open)
  })
  afterEach(() => its.clear())
  afterAll(() => its.close())

  test('one that is down for hours gets everything in order; growing pauses, the same ids', async () => {
    const { world, receiver, webhooks, add, order, upkeep } = its
    const hook = await add({ events: ['requested'] })
    receiver.answer = 503
    const names = ['1.test', '2.test', '3.test']
    for (const name of names) await order(name)
    const until = world.time.now.getTime() + 6 * hour
    for (; world.time.now.getTime() < until; world.time.pass(hour / 2)) await upkeep()
    const ids = new Set(receiver.heard.map(({ json }) => json.id))
    expect(ids.size, 'those behind the first wait, but the one that shows whether the first alone is refused').toBe(2)
    const firsts = receiver.heard.filter(({ json }) => json.data.names[0] === '1.test')
    expect(firsts.length).toBeGreaterThan(5)
    expect(firsts.length).toBeLessThan(16)
    expect(receiver.heard.length - firsts.length).toBe(firsts.length - 4)
    expect(new Set(firsts.map(({ body }) => body)).size).toBe(1)
    expect(await webhooks().read(hook.uuid)).toMatchObject({ pending: 3, dead: 0, failures: firsts.length })
    const { deliveries } = await webhooks().deliveries(hook.uuid)
    expect(deliveries.at(-1)).toMatchObject({
      status: 'pending',
      attempts: firsts.length,
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

  test('one message that is not taken is set aside, and the others go on in order; later it is taken too', async () => {
    const { world, receiver, webhooks, add, order, upkeep } = its
    const hook = await add({ events: ['requested'] })
    const poison = 'poison.test'
    receiver.onMessage = () => {
      receiver.answer = receiver.heard.at(-1)?.json.data.names[0] === poison ? 500 : 204
    }
    for (const name of [poison, 'a.test', 'b.test', 'c.test']) await order(name)
    for (let n = 0; n < 5; n += 1, world.time.pass(200_000)) await upkeep()
    const heard = () => receiver.heard.map(({ json }) => json.data.names[0])
    expect(heard().filter((name) => name !== poison)).toEqual(['a.test', 'b.test', 'c.test'])
    const tried = heard().filter((name) => name === poison).length
    expect(await webhooks().read(hook.uuid)).toMatchObject({ pending: 1, dead: 0, failures: 0 })
    await order('d.test')
    await upkeep()
    expect(heard().at(-1), 'what comes later does not wait for it either').toBe('d.test')
    world.time.pass(hour)
    await upkeep()
    expect(heard().filter((name) => name === poison).length, 'it is tried again').toBe(tried + 1)
    receiver.onMessage = undefined
    receiver.answer = 204
    world.time.pass(hour)
    await upkeep()
    expect(heard().at(-1)).toBe(poison)
    expect(await webhooks().read(hook.uuid)).toMatchObject({ pending: 0, nextAttemptAt: null })
  })

  test('endpoints that hang keep neither those of their organization nor of others waiting, nor more than their places', async () => {
    const { world, receiver, add, order, seal } = its
    const hanging = new Set<string>()
    for (let n = 0; n < 7; n += 1) hanging.add((await add({ events: ['requested'], url: receiver.url })).uuid)
    await order('slow.test')
    await seal()
    await fillOutboxes(world.it)
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let called = 0
    const slow = async () => {
      called += 1
      await released
      throw new Error('it never answered')
    }
    const couriers = createWebhookCouriers(world.it, (message) =>
      message.body.includes('slow.test') ? slow() : postWebhook(message),
    )
    expect(await couriers.begin()).toBe(7)
    expect(await couriers.begin(), 'each is served once').toBe(0)
    const answering = await add({ events: ['requested'] })
    await order('quick.test')
    await seal()
    await fillOutboxes(world.it)
    expect(await couriers.begin()).toBe(1)
    await until('the endpoint that answers has its message', async () => receiver.heard[0], { every: 10 })
    expect(receiver.heard.map(({ json }) => json.data.names[0])).toEqual(['quick.test'])
    await until(
      'it is noted',
      async () => ((await its.webhooks().read(answering.uuid)).pending === 0 ? true : undefined),
      { every: 10 },
    )
    for (let n = 0; n < 4; n += 1) await add({ events: ['requested'] })
    await order('slow.test')
    await seal()
    await fillOutboxes(world.it)
    expect(await couriers.begin(), 'an organization has eight places').toBe(1)
    release()
    await couriers.settled()
    expect(called).toBe(8)
  })

  test('after three days a message is given up, an alert tells so, and it is sent again by hand', async () => {
    const { world, people, receiver, webhooks, add, order, upkeep } = its
    const hook = await add({ events: ['requested'] })
    receiver.answer = 302
    await order('old.test')
    for (let n = 0; n < 10; n += 1, world.time.pass(12 * hour)) await upkeep()
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
    const { world, receiver, url, add, order, seal } = its
    await add({ events: ['requested'] })
    await order('killed.test')
    await order('next.test')
    await seal()
    await fillOutboxes(world.it)
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
    const { world, receiver, url, webhooks, add, order, seal } = its
    await add({ events: ['requested'] })
    await add({ events: ['requested'] })
    const names = Array.from({ length: 10 }, (_, i) => `n${i}.test`)
    for (const name of names) await order(name)
    await seal()
    const other = openDatabase(url)
    const nodes = [world.it, { ...world.it, db: other, node: randomBytes(8).toString('hex') }]
    await Promise.all(nodes.map((node) => fillOutboxes(node)))
    await Promise.all([...nodes, ...nodes].map((node) => deliverDue(node, postWebhook)))
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
    const { world, receiver, webhooks, add, seal, upkeep } = its
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
    const { people, receiver, webhooks, add, upkeep } = its
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
