import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { withTables } from '../../src/db/tables.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { databases } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const der = async (...names: string[]) => (await newCsr(names)).der

describe.each(databases)('ACME finalize on $name', ({ open }) => {
  const acme = useAcme(open)

  it('wire 34 and 35: many at once give one certificate, and the order is there for those who lost', async () => {
    const { client, order } = await acme.app.ready(['race.localhost'])
    const bodies: string[] = []
    for (let at = 0; at < 12; at++) {
      await client.get(client.directory.newNonce ?? '', 'HEAD')
      bodies.push(await client.jws(order.finalize, { csr: (await der('race.localhost')).toString('base64url') }))
    }
    const replies = await Promise.all(bodies.map((body) => client.send(order.finalize, body)))
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...new Array(11).fill(403)])
    for (const reply of replies) if (reply.status === 403) expectProblem(reply, 403, 'orderNotReady')
    const rows = await withTables<{ certificates: { identifiers: string } }>(acme.app.host.db)
      .selectFrom('certificates')
      .select('identifiers')
      .where('identifiers', 'like', '%race.localhost%')
      .execute()
    expect(rows).toHaveLength(1)
    expect((await client.post(order.url)).json.status).toBe('valid')
  })

  it('wire 34: an order that is pending, invalid, expired or finalized is orderNotReady (section 7.4)', async () => {
    const client = await acme.app.client()
    const pending = await client.order(['pending.localhost'])
    const csr = await der('pending.localhost')
    expectProblem(await client.finalize(pending, csr), 403, 'orderNotReady', /pending/)
    await client.post(pending.authorizations[0] ?? '', { status: 'deactivated' })
    expectProblem(await client.finalize(pending, csr), 403, 'orderNotReady', /invalid/)
    const { order } = await acme.app.ready(['twice.localhost'], { client })
    const again = await der('twice.localhost')
    expect((await client.finalize(order, again)).status).toBe(200)
    expectProblem(await client.finalize(order, again), 403, 'orderNotReady', /finalized/)
    acme.app.world.time.pass(100 * 3_600_000)
    await client.get(client.directory.newNonce ?? '')
    expectProblem(await client.finalize(order, await der('twice.localhost')), 403, 'orderNotReady')
    const late = await acme.app.ready(['late.localhost'], { client })
    acme.app.world.time.pass(8 * 86_400_000)
    await client.get(client.directory.newNonce ?? '')
    expectProblem(await client.finalize(late.order, await der('late.localhost')), 403, 'orderNotReady', /invalid/)
  })

  it('wire 34: with idempotentFinalize the same CSR gets the order, another one orderNotReady', async () => {
    await acme.app.world.save('again', { protocols: { acme: { idempotentFinalize: true } } })
    const { client, order } = await acme.app.ready(['again.localhost'], { profile: 'again' })
    const csr = await der('again.localhost')
    const first = await client.finalize(order, csr)
    expect((await client.finalize(order, csr)).json).toEqual(first.json)
    expectProblem(await client.finalize(order, await der('again.localhost')), 403, 'orderNotReady')
  })

  it('wire 38: a CSR that is refused leaves the order ready', async () => {
    const { client, order } = await acme.app.ready(['stay.localhost'])
    expectProblem(await client.finalize(order, await der('other.localhost')), 400, 'badCSR')
    expect((await client.post(order.url)).json.status).toBe('ready')
    expect((await client.finalize(order, await der('stay.localhost'))).json.status).toBe('valid')
  })

  it('wire 54: notBefore and notAfter are issued as they were asked', async () => {
    const client = await acme.app.client()
    acme.app.serveChallenges(client)
    const at = (ms: number) => `${new Date(acme.app.world.time.now.getTime() + ms).toISOString().slice(0, 19)}Z`
    const times = { notBefore: at(60_000), notAfter: at(86_400_000) }
    const order = await client.order(['times.localhost'], times)
    await client.answer(order, 'http-01')
    const done = await client.finalize(order, await der('times.localhost'))
    expect(done.json).toMatchObject({ status: 'valid', ...times })
    const certificate = new X509Certificate((await client.post(String(done.json.certificate))).text)
    expect(
      [certificate.validFrom, certificate.validTo].map((text) => `${new Date(text).toISOString().slice(0, 19)}Z`),
    ).toEqual(Object.values(times))
  })

  it('an account that was deactivated, or whose authorization was, while finalize ran gets nothing', async () => {
    const { client, order } = await acme.app.ready(['meanwhile.localhost'])
    const [authorization = ''] = order.authorizations
    await client.get(client.directory.newNonce ?? '', 'HEAD')
    const off = await client.jws(authorization, { status: 'deactivated' })
    await client.get(client.directory.newNonce ?? '', 'HEAD')
    const finalize = await client.jws(order.finalize, { csr: (await der('meanwhile.localhost')).toString('base64url') })
    const [deactivated, finalized] = await Promise.all([
      client.send(authorization, off),
      client.send(order.finalize, finalize),
    ])
    expect(deactivated.status).toBe(200)
    const { status } = (await client.post(order.url)).json
    expect([finalized.status, status]).toEqual(finalized.status === 200 ? [200, 'valid'] : [403, 'invalid'])
  })

  describe('an order that waits, as the rules decide', () => {
    const people = { issue: [{ name: 'people', require: [{ owner: true }] }] }
    const person = async () => {
      const { db } = acme.app.host
      const user = await withTables<{ users: { id: number; uuid: string } }>(db)
        .selectFrom('users')
        .select(['id', 'uuid'])
        .executeTakeFirstOrThrow()
      return acme.app.host.core.as({ kind: 'user', ref: user.uuid, name: 'admin', people: [user.id] })
    }
    const waiting = async (name: string, profile = 'people') => {
      await acme.app.world.save(profile, { rules: people })
      const { client, order } = await acme.app.ready([name], { profile })
      const reply = await client.finalize(order, await der(name))
      expect(reply.json.status).toBe('processing')
      expect(Number(reply.headers.get('retry-after'))).toBeLessThanOrEqual(30)
      const door = await person()
      const request = await door.findSignRequest({ protocol: 'acme', ref: order.url.split('/').pop() ?? '' })
      if (!request) throw new Error('finalize stored no request')
      return { client, order, door, request }
    }

    it('is processing until somebody approves, then valid', async () => {
      const { client, order, door, request } = await waiting('approved.localhost')
      const poll = await client.post(order.url)
      expect(poll.json.status).toBe('processing')
      expect(poll.headers.get('retry-after')).toBe('10')
      expectProblem(await client.finalize(order, await der('approved.localhost')), 403, 'orderNotReady')
      const { hash } = await door.approvals.review('sign', request.id)
      await door.approvals.vote('sign', request.id, { verdict: 'approve', hash })
      const { json } = await client.post(order.url)
      expect(json.status).toBe('valid')
      expect((await client.post(String(json.certificate))).status).toBe(200)
    })

    it('is invalid when denied, with the reason and not who gave it', async () => {
      const { client, order, door, request } = await waiting('denied.localhost')
      const { hash } = await door.approvals.review('sign', request.id)
      await door.approvals.vote('sign', request.id, { verdict: 'deny', hash, reason: 'not in this zone' })
      const { json, text } = await client.post(order.url)
      expect(json).toMatchObject({
        status: 'invalid',
        error: {
          type: 'urn:ietf:params:acme:error:unauthorized',
          detail: expect.stringContaining('not in this zone'),
          status: 403,
        },
      })
      expect(text).not.toContain('admin')
      expect(json).not.toHaveProperty('certificate')
    })

    it('is invalid when withdrawn', async () => {
      const { client, order, door, request } = await waiting('canceled.localhost')
      await door.approvals.cancel('sign', request.id, 'no longer wanted')
      expect((await client.post(order.url)).json).toMatchObject({
        status: 'invalid',
        error: { detail: 'no longer wanted' },
      })
    })

    it('is invalid when given up, and cannot be retried once a client has read so', async () => {
      const { client, order, door, request } = await waiting('failed.localhost')
      await door.approvals.markFailed('sign', request.id, 'the authority is gone')
      expect((await client.post(order.url)).json).toMatchObject({
        status: 'invalid',
        error: { type: 'urn:ietf:params:acme:error:serverInternal' },
      })
      await expect(door.approvals.retry('sign', request.id)).rejects.toMatchObject({ code: 'conflict' })
    })

    it('a rule that denies what the CSR shows makes it invalid at once', async () => {
      const rule = { name: 'never', when: 'key.algorithm == "EC"', deny: 'not today' }
      await acme.app.world.save('never', { rules: { issue: [rule] } })
      const { client, order } = await acme.app.ready(['never.localhost'], { profile: 'never' })
      const reply = await client.finalize(order, await der('never.localhost'))
      expect(reply.status).toBe(200)
      expect(reply.json).toMatchObject({ status: 'invalid', error: { detail: expect.stringContaining('not today') } })
    })
  })

  it('section 7.3.6: an account that ends while its order is finalized is unauthorized, 401, and nothing is issued', async () => {
    const { client, order } = await acme.app.ready(['ended.localhost'])
    const csr = await der('ended.localhost')
    const bodies = [await client.jws(order.finalize, { csr: csr.toString('base64url') })]
    await client.get(client.directory.newNonce ?? '', 'HEAD')
    bodies.push(await client.jws(client.kid ?? '', { status: 'deactivated' }))
    const { host } = acme.app
    const { core } = host
    // The moment between the first look at the account and the transaction.
    host.core = {
      ...core,
      as: (requester) => ({
        ...core.as(requester),
        async sign(draft, claim) {
          host.core = core
          expect((await client.send(client.kid ?? '', bodies[1] ?? '')).status).toBe(200)
          return core.as(requester).sign(draft, claim)
        },
      }),
    }
    expectProblem(await client.send(order.finalize, bodies[0] ?? ''), 401, 'unauthorized', /deactivated/)
    const ref = order.url.split('/').pop() ?? ''
    const system = { kind: 'system', ref: 'test', name: 'test', people: [] } as const
    expect(await core.as({ ...system, people: [] }).findSignRequest({ protocol: 'acme', ref })).toBeUndefined()
  })
})
