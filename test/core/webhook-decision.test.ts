import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RequestKind } from '../../src/core/approval/approval.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { Failure } from '../../src/core/failure.ts'
import { asRequester, type User } from '../../src/core/identity/identity.ts'
import type { Requester } from '../../src/core/requester.ts'
import { forgetDeliveries } from '../../src/core/webhook/webhookDeliveries.ts'
import { SIGNATURE_HEADER, signWebhook, TIMESTAMP_HEADER } from '../../src/core/webhook/webhookSignature.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const rules = {
  issue: [
    {
      name: 'two',
      when: 'identifiers.exists(i, i.value.startsWith("two"))',
      require: [{ users: ['tickets', 'alice'], quorum: 2 }],
    }, // prettier-ignore
    { name: 'tickets', require: [{ users: ['tickets'] }] },
  ],
  revoke: [{ name: 'tickets', require: [{ users: ['tickets'] }] }],
}

describe.each(databases)('decisions of a ticket system, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let hook: { uuid: string; inboundSecret?: string }
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    hook = await people.as(people.chief).webhooks.add({ name: 'tickets', decidesAs: 'tickets' })
    await world.save('web', { rules })
  })
  afterAll(() => close())

  async function order(name: string, by: Requester = acmeAccount()) {
    const csr = await newCsr([name])
    const draft = { profile: await world.profile('web'), protocol: 'acme', action: 'issue', csr } as const
    const asked = { ...draft, identifiers: csr.identifiers, refusal: 'store' } as const
    const { request } = await world.core.as(by).sign(asked)
    return { ...request, hash: await hashOf(request.id) }
  }
  const hashOf = async (id: number, kind: RequestKind = 'sign') =>
    (await people.as(people.root).approvals.review(kind, id)).hash
  interface How {
    secret?: string | undefined
    at?: Date
    to?: string
  }
  function send(body: object | string, { secret = hook.inboundSecret, at = world.time.now, to = hook.uuid }: How = {}) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const headers = signWebhook(Buffer.from(secret ?? ''), text, at)
    const message = { timestamp: headers[TIMESTAMP_HEADER], signature: headers[SIGNATURE_HEADER], body: text }
    const sender: Requester = { kind: 'key-holder', ref: '', name: 'anybody', people: [], source: '192.0.2.9' }
    return world.core.as(sender).webhooks.decide(to, message)
  }
  let number = 0
  const decision = ({ uuid, hash }: { uuid: string; hash: string }, more: object = {}) => ({
    id: `d-${++number}`,
    request: uuid,
    hash,
    verdict: 'approve',
    ticket: `CHG-${number}`,
    ...more,
  })
  const votes = async (id: number) =>
    (await people.as(people.root).approvals.review('sign', id)).votes.map(({ user, verdict }) => `${user} ${verdict}`)

  test('an approval issues, once however often it comes, and the trail names the ticket', async () => {
    const request = await order('a.test')
    const message = decision(request, { user: 'somebody there', reason: 'as planned' })
    const answers = await Promise.all([send(message), send(message), send(message)])
    world.time.pass(60_000)
    expect([...answers, await send(message)]).toEqual(Array(4).fill({ status: 'signing' }))
    expect(await people.operator.findCertificate({ id: request.id })).toMatchObject({ status: 'issued' })
    expect(await votes(request.id)).toEqual(['tickets approve'])
    const told = (await audited(world, 'vote.approve')).filter(({ subject_id }) => subject_id === request.id)
    expect(told).toMatchObject([
      {
        actor: { kind: 'user', name: 'tickets' },
        source_address: '192.0.2.9',
        details: { ticket: message.ticket, webhook: hook.uuid, onBehalfOf: 'somebody there', reason: 'as planned' },
      },
    ])
    await expect(send({ ...message, reason: 'another' })).rejects.toMatchObject(failure('conflict', /id of its own/))
  })

  test('a denial needs a reason; a refusal is kept; the hash is that of the revision', async () => {
    const request = await order('b.test')
    const bare = decision(request, { verdict: 'deny' })
    for (let times = 0; times < 2; times++)
      await expect(send(bare)).rejects.toMatchObject(failure('malformed', /reason/))
    const stale = decision({ ...request, hash: 'f'.repeat(64) })
    await expect(send(stale)).rejects.toMatchObject(failure('conflict', /changed/))
    expect(await send(decision(request, { verdict: 'deny', reason: 'no such server' }))).toEqual({ status: 'denied' })
    await expect(send(stale)).rejects.toMatchObject(failure('conflict', /changed/))
    await expect(send(decision(request))).rejects.toMatchObject(failure('conflict', /too late: the request is denied/))
    expect((await people.as(people.root).list.request(request.id, 'sign')).reason).toBe('no such server')
  })

  test('a revocation is decided alike', async () => {
    const request = await order('c.test')
    await send(decision(request))
    const asked = { protocol: 'acme', certificate: request.id, grounds: 'account', reason: 'superseded' } as const
    const revocation = await world.core.as(acmeAccount()).revoke(asked)
    const { uuid } = revocation
    expect(await send(decision({ uuid, hash: await hashOf(revocation.id, 'revoke') }))).toEqual({ status: 'revoked' })
    expect(await people.operator.findCertificate({ id: request.id })).toMatchObject({ status: 'revoked' })
  })

  test('whoever asked decides nothing, by the secret that he was shown or by a ticket of his', async () => {
    await people.give(people.alice, 'create_cert')
    const shown = await order('d.test', asRequester(people.chief))
    await expect(send(decision(shown))).rejects.toMatchObject(failure('forbidden', /shown the secret/))
    const named = await order('e.test', asRequester(people.alice))
    const asAlice = decision(named, { user: 'Alice' })
    await expect(send(asAlice)).rejects.toMatchObject(failure('forbidden', /alice is behind/))
    expect(await votes(named.id)).toEqual([])
    expect(await send(decision(named, { user: 'chief' }))).toEqual({ status: 'signing' })
  })

  test('one person counts once, here and there', async () => {
    const request = await order('two.test')
    const { hash } = request
    await people.as(people.alice).approvals.vote('sign', request.id, { verdict: 'approve', hash })
    await expect(send(decision(request, { user: 'alice' }))).rejects.toMatchObject(
      failure('conflict', /alice has voted/),
    )
    expect(await votes(request.id)).toEqual(['alice approve'])
    expect(await send(decision(request, { user: 'bob' }))).toEqual({ status: 'signing' })
    const other = await order('two-more.test')
    expect(await send(decision(other, { user: 'Alice' }))).toEqual({ status: 'requested' })
    const again = people.as(people.alice).approvals.vote('sign', other.id, { verdict: 'approve', hash: other.hash })
    await expect(again).rejects.toMatchObject(failure('conflict', /in a ticket system already/))
    const second = await people.as(people.chief).webhooks.add({ name: 'second', decidesAs: 'second' })
    const from = { to: second.uuid, secret: second.inboundSecret }
    await expect(send(decision(other, { user: 'ALICE' }), from)).rejects.toMatchObject(
      failure('conflict', /ALICE has voted/),
    )
    expect(await votes(other.id)).toEqual(['tickets approve'])
  })

  test('a user whom the rule does not name decides nothing, be he a webhook’s', async () => {
    const { uuid: to, inboundSecret: secret } = await people
      .as(people.chief)
      .webhooks.add({ name: 'others', decidesAs: 'others' })
    const request = await order('f.test')
    await expect(send(decision(request), { to, secret })).rejects.toMatchObject(failure('forbidden', /not among/))
    const theirs = await people.as(people.stranger).webhooks.add({ name: 'theirs', decidesAs: 'theirs' })
    const foreign = { to: theirs.uuid, secret: theirs.inboundSecret }
    await expect(send(decision(request), foreign)).rejects.toMatchObject(failure('notFound', /no such request/))
    const nothing = decision({ uuid: theirs.uuid, hash: request.hash })
    await expect(send(nothing)).rejects.toMatchObject(failure('notFound', /no such request/))
    expect(await votes(request.id)).toEqual([])
  })

  test('another signature, another time, another webhook: refused', async () => {
    const request = await order('g.test')
    const body = decision(request)
    const wrong = failure('unauthenticated')
    const minutes = (n: number) => new Date(world.time.now.getTime() + n * 60_000)
    await expect(send(body, { secret: 'x' })).rejects.toMatchObject(wrong)
    for (const at of [minutes(-6), minutes(6)]) await expect(send(body, { at })).rejects.toMatchObject(wrong)
    const missing = failure('notFound', /no such webhook/)
    const nobody = '01890000-0000-7000-8000-000000000000'
    await expect(send(body, { to: nobody })).rejects.toMatchObject(missing)
    const { webhooks } = people.as(people.chief)
    const deaf = await webhooks.add({ name: 'deaf', url: 'https://a.test/' })
    await expect(send(body, { to: deaf.uuid, secret: deaf.secret })).rejects.toMatchObject(missing)
    await webhooks.change(hook.uuid, { enabled: false })
    await expect(send(body)).rejects.toMatchObject(missing)
    await webhooks.change(hook.uuid, { enabled: true })
    await expect(people.operator.webhooks.add({ name: 'op', decidesAs: 'op' })).rejects.toMatchObject(
      failure('forbidden'),
    ) // prettier-ignore
    expect(await votes(request.id)).toEqual([])
    expect(await send(body)).toEqual({ status: 'signing' })
  })

  test('the secret is changed, and both are good for a while; whoever was shown the new one is behind it', async () => {
    const { webhooks } = people.as(people.root)
    const { secret, until } = await webhooks.rotateSecret(hook.uuid, { which: 'inbound', overlap: 1 })
    const byRoot = await order('h.test', asRequester(people.root))
    await expect(send(decision(byRoot), { secret })).rejects.toMatchObject(failure('forbidden', /shown the secret/))
    expect(await send(decision(byRoot))).toEqual({ status: 'signing' })
    const request = await order('i.test')
    world.time.now = until
    await expect(send(decision(request))).rejects.toMatchObject(failure('unauthenticated'))
    hook = { ...hook, inboundSecret: secret }
    expect(await send(decision(request))).toEqual({ status: 'signing' })
  })

  test('whatever is signed and sent is answered with a refusal that says why', async () => {
    const bodies = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ id: fc.string(), request: fc.string() }).map((one) => JSON.stringify(one)),
    ) // prettier-ignore
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const refused = await send(body).catch((error: unknown) => error)
        expect(refused).toBeInstanceOf(Failure)
        expect(refused).toMatchObject({ code: 'malformed' })
      }),
      { numRuns: 100 },
    )
  })

  test('the trail verifies; answers are forgotten; without its webhook the user is nobody', async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
    world.time.pass(31 * 86_400_000)
    await forgetDeliveries(world.it)
    await people.as(people.chief).webhooks.remove(hook.uuid)
    const user: User = await people.named('tickets')
    expect(user.enabled).toBe(false)
  })
})
