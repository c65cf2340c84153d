import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient, Json, Reply } from '../helpers/acmeClient.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'
import { issue } from '../helpers/issued.ts'
import { audited } from '../helpers/people.ts'
import { newCsr } from '../helpers/world.ts'

/** Whole seconds (wire 40). */
function retryAfter({ headers }: Reply): number {
  const text = headers.get('retry-after') ?? ''
  expect(text).toMatch(/^[1-9][0-9]*$/)
  return Number(text)
}

describe.each(databases)('limits of ACME on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let acme: AcmeApp
  beforeAll(async () => {
    opened = await open()
    acme = await createAcmeApp(opened.db)
  })
  afterAll(async () => {
    await acme.close()
    await opened.close()
  })

  const profile = (name: string, limits: Record<string, string>) =>
    acme.world.save(name, { protocols: { acme: { limits } } })
  const order = (client: AcmeClient, names: string[], more: Json = {}) =>
    client.post(client.directory.newOrder ?? '', {
      identifiers: names.map((value) => ({ type: 'dns', value })),
      ...more,
    })
  const person = async () => {
    const admin = await findUser(opened.db, { name: 'admin' })
    if (!admin) throw new Error('no first start')
    return acme.world.core.as(asRequester(admin))
  }
  const operator = async () => (await person()).admin

  /** An order whose challenge nobody serves rightly. */
  async function fail(client: AcmeClient, name: string): Promise<void> {
    const made = await client.order([name])
    const { json } = await client.post(made.authorizations[0] ?? '')
    const [http] = json.challenges as { token: string; url: string }[]
    acme.pages.set(`/.well-known/acme-challenge/${http?.token}`, 'something else')
    expect((await client.post(http?.url ?? '', {})).json.status).toBe('invalid')
  }

  describe('new accounts by address', () => {
    const register = async (source: string | undefined, name: string) => {
      acme.host.sourceAddress = () => source
      const client = await acme.client({ profile: name, register: false })
      return { client, reply: await client.register() }
    }

    it('RFC 8555 section 6.6, wire 41: 429 rateLimited with Retry-After, and nothing is made', async () => {
      await profile('accounts', { newAccountsByAddress: '2/1h' })
      for (let i = 0; i < 2; i++) expect((await register('192.0.2.1', 'accounts')).reply.status).toBe(201)
      const { client, reply } = await register('192.0.2.1', 'accounts')
      expectProblem(reply, 429, 'rateLimited', /192\.0\.2\.1.*2\/1h.*acme\.newAccountsByAddress.*30 minutes/)
      expect(retryAfter(reply)).toBe(1_800)
      expectProblem(
        await client.post(client.directory.newAccount ?? '', { onlyReturnExisting: true }),
        400,
        'accountDoesNotExist',
      )
      // Another address has its own, and who has an account gets it in any case.
      expect((await register('192.0.2.2', 'accounts')).reply.status).toBe(201)
      acme.world.time.pass(1_800_000)
      expect((await client.register()).status).toBe(201)
      expect((await client.register()).status).toBe(200)
    })

    it('counts the /64 of an IPv6 address, and all whose address nobody knows together', async () => {
      await profile('sixes', { newAccountsByAddress: '1/1h' })
      expect((await register('2001:db8:1:2::1', 'sixes')).reply.status).toBe(201)
      expectProblem((await register('2001:db8:1:2:ffff::2', 'sixes')).reply, 429, 'rateLimited', /2001:db8:1:2::\/64/)
      expect((await register('2001:db8:1:3::1', 'sixes')).reply.status).toBe(201)
      expect((await register(undefined, 'sixes')).reply.status).toBe(201)
      expectProblem((await register(undefined, 'sixes')).reply, 429, 'rateLimited', /unknown/)
    })

    it('lets no more pass of many at once', async () => {
      await profile('crowd', { newAccountsByAddress: '3/1h' })
      acme.host.sourceAddress = () => '192.0.2.9'
      const clients = await Promise.all(
        Array.from({ length: 9 }, () => acme.client({ profile: 'crowd', register: false, key: newKey() })),
      )
      const replies = await Promise.all(clients.map((client) => client.register()))
      expect(replies.filter(({ status }) => status === 201)).toHaveLength(3)
      expect(replies.filter(({ status }) => status === 429)).toHaveLength(6)
    })
  })

  describe('orders by account', () => {
    it('RFC 8555 section 6.6: are refused when there are too many, each account for itself', async () => {
      await profile('orders', { ordersByAccount: '2/1m' })
      const [one, other] = [await acme.client({ profile: 'orders' }), await acme.client({ profile: 'orders' })]
      for (let i = 0; i < 2; i++) await one.order([`o${i}.localhost`])
      const refused = await order(one, ['o2.localhost'])
      expectProblem(refused, 429, 'rateLimited', /2\/1m \(acme\.ordersByAccount\); try again in 30 seconds/)
      await other.order(['o2.localhost'])
      expect(((await one.post(`${one.kid}/orders`)).json.orders as string[]).length).toBe(2)
      // It tells the truth: a second earlier it is still refused.
      acme.world.time.pass((retryAfter(refused) - 1) * 1_000)
      expect((await order(one, ['o2.localhost'])).status).toBe(429)
      acme.world.time.pass(1_000)
      expect((await order(one, ['o2.localhost'])).status).toBe(201)
    })

    it('authorizations that are asked for before an order count as well', async () => {
      await profile('before', { ordersByAccount: '2/1m' })
      const client = await acme.client({ profile: 'before' })
      const authorize = (value: string) =>
        client.post(client.directory.newAuthz ?? '', { identifier: { type: 'dns', value } })
      expect((await authorize('one.localhost')).status).toBe(201)
      expect((await order(client, ['two.localhost'])).status).toBe(201)
      expectProblem(await authorize('three.localhost'), 429, 'rateLimited', /acme\.ordersByAccount/)
      expectProblem(await order(client, ['four.localhost']), 429, 'rateLimited')
    })

    it('what is refused for another reason takes nothing', async () => {
      await profile('nothing', { ordersByAccount: '1/1h' })
      const client = await acme.client({ profile: 'nothing' })
      expectProblem(await order(client, ['not a name']), 400, 'malformed')
      expect((await order(client, ['fine.localhost'])).status).toBe(201)
    })

    it('RFC 9773 section 5: a renewal that names what it replaces is free', async () => {
      await profile('renewals', { ordersByAccount: '1/1h' })
      const { client, certId: replaces } = await issue(acme, ['renew.localhost'], { profile: 'renewals' })
      expect((await order(client, ['renew.localhost'])).status).toBe(429)
      expect((await order(client, ['renew.localhost'], { replaces })).json).toMatchObject({ replaces })
    })

    it('an order that could not be issued for our own fault is given back, once', async () => {
      const held = { issue: [{ name: 'owner', require: [{ owner: true }] }] }
      await acme.world.save('faults', {
        rules: held,
        protocols: { acme: { limits: { ordersByAccount: '1/1d' } } },
      })
      const { client, order: made } = await acme.ready(['fault.localhost'], { profile: 'faults' })
      await client.finalize(made, (await newCsr(['fault.localhost'])).der)
      expect((await order(client, ['fault.localhost'])).status).toBe(429)
      const door = await person()
      const uuid = made.url.split('/').pop() ?? ''
      const request = await door.findSignRequest({ protocol: 'acme', ref: uuid })
      await door.approvals.markFailed('sign', request?.id ?? 0, 'the authority is gone')
      for (let i = 0; i < 3; i++) expect((await client.post(made.url)).json.status).toBe('invalid')
      expect((await order(client, ['fault.localhost'])).status).toBe(201)
      expect((await order(client, ['fault.localhost'])).status).toBe(429)
    })

    it('an override counts for its account alone, until it ends', async () => {
      await profile('overrides', { ordersByAccount: '1/1d' })
      const [one, other] = [await acme.client({ profile: 'overrides' }), await acme.client({ profile: 'overrides' })]
      const key = one.kid?.split('/').pop() ?? ''
      const ref = { profile: 'overrides', limit: 'acme.ordersByAccount', key }
      const until = new Date(acme.world.time.now.getTime() + 60_000)
      await (await operator()).overrideLimit({ ...ref, override: { rate: 'unlimited', until } })
      for (let i = 0; i < 4; i++) expect((await order(one, ['much.localhost'])).status).toBe(201)
      await order(other, ['much.localhost'])
      expect((await order(other, ['much.localhost'])).status).toBe(429)
      acme.world.time.pass(60_000)
      expect((await order(one, ['much.localhost'])).status).toBe(201)
      expect((await order(one, ['much.localhost'])).status).toBe(429)
      await (await operator()).overrideLimit({ ...ref, override: { rate: 'blocked', note: 'call the CA' } })
      const blocked = await order(one, ['much.localhost'])
      expectProblem(blocked, 403, 'unauthorized', /stopped.*call the CA/)
      expect(blocked.headers.has('retry-after')).toBe(false)
    })

    it('off, nothing is asked', async () => {
      await profile('free', { ordersByAccount: 'off' })
      const client = await acme.client({ profile: 'free' })
      await client.order(['free.localhost'])
      expect(await (await operator()).limits({ profile: 'free', limit: 'acme.ordersByAccount' })).toEqual([])
    })
  })

  describe('failed validations by account and name', () => {
    it('new orders for the name are refused, others pass, and a subproblem names it', async () => {
      await profile('failing', { failedValidations: '2/1h' })
      const client = await acme.client({ profile: 'failing' })
      for (let i = 0; i < 2; i++) await fail(client, 'fails.localhost')
      const refused = await order(client, ['fine.localhost', 'fails.localhost'])
      expectProblem(refused, 429, 'rateLimited', /fails\.localhost.*2\/1h \(acme\.failedValidations\)/)
      expect(retryAfter(refused)).toBe(1_800)
      expect(refused.json.subproblems).toEqual([
        {
          type: 'urn:ietf:params:acme:error:rateLimited',
          detail: expect.stringContaining('fails.localhost'),
          identifier: { type: 'dns', value: 'fails.localhost' },
        },
      ])
      expectProblem(
        await client.post(client.directory.newAuthz ?? '', { identifier: { type: 'dns', value: 'fails.localhost' } }),
        429,
        'rateLimited',
      )
      expect((await order(client, ['fine.localhost'])).status).toBe(201)
      expect((await order(await acme.client({ profile: 'failing' }), ['fails.localhost'])).status).toBe(201)
      acme.world.time.pass(1_800_000)
      expect((await order(client, ['fails.localhost'])).status).toBe(201)
    })

    it('RFC 8555 section 6.6: Retry-After is the time when all limits let it pass', async () => {
      await profile('both', { failedValidations: '1/1m', ordersByAccount: '1/1h' })
      const client = await acme.client({ profile: 'both' })
      await fail(client, 'both.localhost')
      expect(retryAfter(await order(client, ['both.localhost']))).toBe(3_600)
    })

    it('a success makes good what failed before', async () => {
      await profile('again', { failedValidations: '2/1d' })
      const client = await acme.client({ profile: 'again' })
      await fail(client, 'again.localhost')
      await acme.ready(['again.localhost'], { client })
      await fail(client, 'again.localhost')
      expect((await order(client, ['again.localhost'])).status).toBe(201)
    })

    it('a name that fails without end is paused, told how to go on, and goes on when released', async () => {
      await profile('pausing', { failedValidations: 'off', failuresUntilPause: '3/7d' })
      const client = await acme.client({ profile: 'pausing' })
      const account = client.kid?.split('/').pop() ?? ''
      for (let i = 0; i < 4; i++) await fail(client, 'endless.localhost')
      // Beyond the limit's own time, and the nonce's: the answer brings a new one.
      acme.world.time.pass(29 * 86_400_000)
      expectProblem(await order(client, ['endless.localhost']), 400, 'badNonce')
      const refused = await order(client, ['endless.localhost'])
      const command = `countersign limit reset --profile pausing ${account}/endless.localhost`
      expectProblem(refused, 403, 'unauthorized', /more than 3 times in 7d/)
      expect(refused.json.detail).toContain(command)
      expect(refused.headers.has('retry-after')).toBe(false)
      expect((await order(client, ['other.localhost'])).status).toBe(201)
      const admin = await operator()
      const alerts = (await admin.alerts()).filter(({ kind }) => kind === 'limit_blocked')
      expect(alerts.map(({ detail }) => detail)).toEqual([expect.stringContaining('endless.localhost')])
      expect((await audited(acme.world, 'limit.blocked')).at(-1)?.details.key).toBe(`${account}/endless.localhost`)

      expect(await admin.resetLimit({ profile: 'pausing', key: `${account}/endless.localhost` })).toBe(2)
      expect((await order(client, ['endless.localhost'])).status).toBe(201)
      // It begins anew: it is not paused by the next failure.
      await fail(client, 'endless.localhost')
      expect((await order(client, ['endless.localhost'])).status).toBe(201)
    })

    it('off, nothing is counted', async () => {
      await profile('lenient', { failedValidations: 'off', failuresUntilPause: 'off' })
      const client = await acme.client({ profile: 'lenient' })
      for (let i = 0; i < 3; i++) await fail(client, 'lenient.localhost')
      expect((await order(client, ['lenient.localhost'])).status).toBe(201)
      expect(await (await operator()).limits({ profile: 'lenient', key: 'lenient.localhost' })).toEqual([])
    })
  })
})
