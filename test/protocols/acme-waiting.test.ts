import { beforeAll, describe, expect, it } from 'vitest'
import { describeRequest } from '../../src/cli/requestText.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { type AcmeClient, type AcmeOrder, expectStatus } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { bindingOf } from '../helpers/externalAccount.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { newCsr } from '../helpers/world.ts'

const someone = { issue: [{ name: 'people', require: [{ users: ['alice', 'chief'] }] }] }

describe.each(databases)('ACME orders that wait for people, on $name', ({ open }) => {
  const acme = useAcme(open)
  let people: People

  beforeAll(async () => {
    people = await createPeople(acme.app.world)
    await acme.app.world.save('waits', { rules: someone })
    const limits = { ordersByAccount: '1/1d' }
    await acme.app.world.save('limited', { rules: someone, protocols: { acme: { limits } } })
  })

  const requestOf = async ({ url }: AcmeOrder): Promise<SignRequest | undefined> =>
    people.as(people.chief).findSignRequest({ protocol: 'acme', ref: url.split('/').pop() ?? '' })
  const waiting = async (profile: string) =>
    (await people.as(people.chief).list.requests({ kind: 'sign', profile, status: 'requested' })).rows.map(
      ({ names }) => names,
    )
  const finalize = async (client: AcmeClient, order: AcmeOrder, name: string) => {
    acme.app.serveChallenges(client)
    await client.answer(order, 'http-01')
    return client.finalize(order, (await newCsr([name])).der)
  }

  it('an order that a limit refuses asks nobody', async () => {
    const client = await acme.app.client({ profile: 'limited' })
    await client.order(['first.localhost'])
    const identifiers = [{ type: 'dns', value: 'second.localhost' }]
    expectProblem(await client.post(client.directory.newOrder ?? '', { identifiers }), 429, 'rateLimited')
    expect(await waiting('limited')).toEqual([['first.localhost']])
  })

  it('a deactivated account’s orders are withdrawn, those that were asked about before finalize too', async () => {
    const client = await acme.app.client({ profile: 'waits' })
    const early = await client.order(['early.localhost'])
    const late = await client.order(['late.localhost'])
    expectStatus(await finalize(client, late, 'late.localhost'), 200)
    expectStatus(await client.post(client.kid ?? '', { status: 'deactivated' }), 200)
    await acme.app.runJobs()
    for (const order of [early, late])
      expect(await requestOf(order)).toMatchObject({ status: 'canceled', reason: 'the ACME account was deactivated' })
  })

  describe('of an account with external account binding', () => {
    let keys = 0
    async function bound(note?: string) {
      keys += 1
      const draft = { kind: 'eab', profile: 'waits', name: `key-${keys}`, ...(note ? { note } : {}) } as const
      const { secret, view } = await people.as(people.chief).admin.createCredential(draft)
      const client = await acme.app.client({ profile: 'waits', register: false })
      const externalAccountBinding = bindingOf(client, { kid: view.name, secret })
      expectStatus(await client.register({ externalAccountBinding }), 201)
      return { client, view }
    }

    it('the approver sees the key identifier and its note', async () => {
      const { client, view } = await bound('web team, ticket 7')
      const request = await requestOf(await client.order(['shown.localhost']))
      const shown = await people.as(people.alice).list.request(request?.id ?? 0)
      expect(shown.credential).toEqual({ kind: 'eab', name: view.name, note: 'web team, ticket 7' })
      const review = await people.as(people.alice).approvals.review('sign', request?.id ?? 0)
      const text = describeRequest(JSON.parse(JSON.stringify({ ...shown, review })))
      expect(text).toContain(`eab ${view.name} (web team, ticket 7)`)
    })

    it('one without a binding shows none', async () => {
      const client = await acme.app.client({ profile: 'waits' })
      const request = await requestOf(await client.order(['plain.localhost']))
      expect((await people.as(people.alice).list.request(request?.id ?? 0)).credential).toBeNull()
    })

    it('the revocation of the key withdraws what waits, with a reason, and nothing of others', async () => {
      const { client, view } = await bound()
      const other = await bound()
      const [early, late, approved] = [
        await client.order(['e.localhost']),
        await client.order(['l.localhost']),
        await client.order(['a.localhost']),
      ]
      const others = await other.client.order(['o.localhost'])
      expect((await finalize(client, late, 'l.localhost')).json.status).toBe('processing')
      const { approvals } = people.as(people.alice)
      const id = (await requestOf(approved))?.id ?? 0
      await approvals.vote('sign', id, { verdict: 'approve', hash: (await approvals.review('sign', id)).hash })
      expect(await requestOf(approved)).toMatchObject({ status: 'signing' })

      await people.as(people.chief).admin.revokeCredential(view.uuid)
      const reason = `the credential ${view.name} was revoked: ask for another one`
      for (const order of [early, late, approved])
        expect(await requestOf(order)).toMatchObject({ status: 'canceled', reason })
      expect(await requestOf(others)).toMatchObject({ status: 'requested' })
      expect((await client.post(late.url)).json).toMatchObject({ status: 'invalid', error: { detail: reason } })
      const events = await audited(acme.app.world, 'sign_request.canceled')
      expect(events.slice(-3).map(({ actor }) => actor)).toEqual(
        new Array(3).fill(expect.objectContaining({ name: 'chief' })),
      )
      expect((await audited(acme.app.world, 'credential.revoked')).at(-1)?.details).toMatchObject({ withdrawn: 3 })
      const lateId = (await requestOf(late))?.id ?? 0
      const { hash } = await approvals.review('sign', lateId)
      await expect(approvals.vote('sign', lateId, { verdict: 'approve', hash })).rejects.toMatchObject(
        failure('conflict'),
      )
      expect((await approvals.review('sign', lateId)).outcome).toBe('canceled')
    })
  })
})
