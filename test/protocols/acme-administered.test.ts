import { beforeAll, describe, expect, it } from 'vitest'
import { administeredAccounts } from '../../protocols/acme/administered.ts'
import type { ProtocolAccounts } from '../../src/protocol.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { newCsr } from '../helpers/world.ts'

describe.each(databases)('ACME accounts, administered, on $name', ({ open }) => {
  const acme = useAcme(open)
  let people: People
  let accounts: ProtocolAccounts
  beforeAll(async () => {
    people = await createPeople(acme.app.world)
    accounts = administeredAccounts(acme.app.host)
  })

  const uuidOf = (client: { kid: string | undefined }) => client.kid?.split('/').at(-1) ?? ''

  it('are seen with what became of their orders', async () => {
    const { client } = await acme.app.ready(['one.localhost'])
    await client.order(['two.localhost'])
    const door = people.as(people.chief)
    const listed = (await accounts.list(door)).find(({ uuid }) => uuid === uuidOf(client))
    expect(listed).toMatchObject({ status: 'valid', enabled: true, total: 2, profile: { name: 'default' } })
    const { orders } = await accounts.find(door, uuidOf(client))
    expect(orders).toEqual({ pending: 1, ready: 1, processing: 0, valid: 0, invalid: 0 })
    const member = people.as(people.alice)
    expect(await accounts.list(member)).toEqual([])
    await expect(accounts.find(member, uuidOf(client))).rejects.toMatchObject(failure('forbidden'))
  })

  it('are refused while they are disabled, and for ever once they are revoked', async () => {
    const client = await acme.app.client()
    const again = await acme.app.client({ key: client.key, register: false })
    const url = client.kid ?? ''
    const door = people.as(people.chief)
    const uuid = uuidOf(client)
    await accounts.change(door, uuid, 'disable')
    await accounts.change(door, uuid, 'disable')
    expect(await accounts.find(door, uuid)).toMatchObject({ status: 'valid', enabled: false })
    const refused = await client.post(url)
    expectProblem(refused, 401, 'unauthorized')
    expect(refused.text).toContain('disabled')
    expectProblem(await again.register({ onlyReturnExisting: true }), 401, 'unauthorized')
    await accounts.change(door, uuid, 'enable')
    expect((await client.post(url)).status).toBe(200)
    await accounts.change(door, uuid, 'revoke')
    expectProblem(await client.post(url), 401, 'unauthorized')
    await expect(accounts.change(door, uuid, 'enable')).rejects.toMatchObject(failure('conflict', /revoked/))
    const told = (await audited(acme.app.world, 'account.changed')).filter(({ details }) => details.account === uuid)
    expect(told.map(({ details, actor }) => [details.status, actor.name])).toEqual([
      ['disabled', 'chief'],
      ['valid', 'chief'],
      ['revoked', 'chief'],
    ])
  })

  it('that are revoked give up what still waits for people', async () => {
    const { rules } = await acme.app.world.profile()
    const owner = [{ name: 'a person looks', require: [{ owner: true }] }]
    await acme.app.world.save('looking', { rules: { ...rules, issue: owner } })
    const { client, order } = await acme.app.ready(['waits.localhost'], { profile: 'looking' })
    await client.finalize(order, (await newCsr(['waits.localhost'])).der)
    const door = people.as(people.root)
    expect((await accounts.find(door, uuidOf(client))).orders).toMatchObject({ processing: 1 })
    await accounts.change(door, uuidOf(client), 'revoke')
    await acme.app.runJobs()
    expect((await accounts.find(door, uuidOf(client))).orders).toMatchObject({ processing: 0, invalid: 1 })
  })

  it('are changed by who manages the profile, and seen by its organization', async () => {
    const client = await acme.app.client()
    const uuid = uuidOf(client)
    await expect(accounts.change(people.as(people.alice), uuid, 'revoke')).rejects.toMatchObject(failure('forbidden'))
    const stranger = people.as(people.stranger)
    expect(await accounts.list(stranger)).toEqual([])
    for (const run of [() => accounts.find(stranger, uuid), () => accounts.change(stranger, uuid, 'revoke')])
      await expect(run()).rejects.toMatchObject(failure('notFound'))
    expect((await client.post(client.kid ?? '')).status).toBe(200)
  })
})
