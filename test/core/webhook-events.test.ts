import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { attendWaiting } from '../../src/core/approval/attend.ts'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import { VALIDATION_JOB } from '../../src/core/inventory/validationSettings.ts'
import { walkValidations } from '../../src/core/inventory/validationWalk.ts'
import { runDueJobs } from '../../src/core/jobs.ts'
import { DELIVERY_HEADER, EVENT_HEADER } from '../../src/core/webhook/webhookDelivery.ts'
import { webhookEventTypes } from '../../src/core/webhook/webhookEvent.ts'
import { databases } from '../helpers/databases.ts'
import { createWebhookWorld, type WebhookWorld } from '../helpers/webhookWorld.ts'
import { acmeAccount } from '../helpers/world.ts'

const hour = 3_600_000
const day = 24 * hour

describe.each(databases)('what webhooks are told, on $name', ({ open }) => {
  let its: WebhookWorld
  beforeAll(async () => {
    its = await createWebhookWorld(open)
  })
  afterEach(() => its.clear())
  afterAll(() => its.close())

  test('what happens to an order is told in order, signed, and nothing of before', async () => {
    const { world, people, receiver, add, order, revoke, vote, upkeep } = its
    await order('auto-before.test')
    const hook = await add()
    const request = await order('a.test')
    await vote(request, 'approve')
    await revoke(request.id)
    await upkeep()
    expect(receiver.heard.map(({ json: { type, data } }) => `${type} ${data.outcome ?? data.status}`)).toEqual([
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
    const { world, people, receiver, add, order, revoke, vote, upkeep } = its
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
    const { world, people, receiver, add, order, upkeep } = its
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
    const { people, receiver, webhooks, add, order, upkeep } = its
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
})
