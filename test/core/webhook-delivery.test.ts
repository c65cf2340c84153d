import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/verify.ts'
import { forgetDeliveries } from '../../src/core/webhookDeliveries.ts'
import { deliverDue, pauseAfter } from '../../src/core/webhookDelivery.ts'
import type { WebhookDraft } from '../../src/core/webhookEndpoint.ts'
import { fillOutboxes } from '../../src/core/webhookOutbox.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { postWebhook } from '../../src/http/webhookPost.ts'
import { databases } from '../helpers/databases.ts'
import { audited, failure } from '../helpers/people.ts'
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
