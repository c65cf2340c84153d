import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const auto = [{ name: 'all', auto: true }]

describe.each(databases)('requests that wait for somebody, on $name', ({ open }) => {
  let world: World
  let people: People
  let alice: Door
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    alice = people.as(people.alice)
    const ask = [{ name: 'alice looks', require: [{ users: ['alice'] }] }]
    await world.save('asks', { rules: { issue: ask } })
    await world.save('passes', { rules: { issue: auto, revoke: ask } })
  })
  afterAll(() => close())

  const order = async (profile: string, name: string) => {
    const draft = {
      profile: await world.profile(profile),
      protocol: 'acme',
      action: 'issue',
      refusal: 'store',
    } as const
    return (await world.core.as(acmeAccount()).sign({ ...draft, csr: await newCsr([name]), editable: true })).request
  }
  const waiting = (door: Door, kind: 'sign' | 'revoke', page = 1, limit = 10) =>
    door.decisions.waiting({ kind, page, limit })

  it('are those of one kind, the newest first, with the hash that a vote must name', async () => {
    const [first, second] = [await order('asks', 'one.test'), await order('asks', 'two.test')]
    const { id: certificate } = await order('passes', 'three.test')
    const account = { protocol: 'acme', grounds: 'account' } as const
    const revocation = await world.core.as(acmeAccount()).revoke({ ...account, certificate })
    const signing = await waiting(alice, 'sign')
    expect(signing).toMatchObject({ total: 2, atLeast: false, rows: [{ id: second.id }, { id: first.id }] })
    expect((await waiting(alice, 'revoke')).rows).toMatchObject([{ id: revocation.id, names: ['three.test'] }])
    for (const { id, hash } of signing.rows) expect(hash).toBe((await alice.approvals.review('sign', id)).hash)
    const [, row] = signing.rows
    await alice.approvals.vote('sign', first.id, { verdict: 'approve', hash: row?.hash ?? '' })
    expect((await waiting(alice, 'sign')).rows.map(({ id }) => id)).toEqual([second.id])
  })

  it('come by pages', async () => {
    for (const name of ['a.test', 'b.test', 'c.test']) await order('asks', name)
    const all = (await waiting(alice, 'sign')).rows.map(({ id }) => id)
    const [one, two] = [await waiting(alice, 'sign', 1, 2), await waiting(alice, 'sign', 2, 2)]
    expect([...one.rows, ...two.rows].map(({ id }) => id)).toEqual(all.slice(0, 4))
    expect(one.total).toBe(all.length)
    expect((await waiting(alice, 'sign', 9, 2)).rows).toEqual([])
  })

  it('have the hash of what they are now', async () => {
    const { id } = await order('asks', 'edited.test')
    const before = (await waiting(alice, 'sign')).rows[0]?.hash
    await world.core.as(acmeAccount()).revise(id, { identifiers: [{ type: 'dns', value: 'other.test' }] })
    const after = (await waiting(alice, 'sign')).rows.find((row) => row.id === id)
    expect(after).toMatchObject({ names: ['other.test'], hash: (await alice.approvals.review('sign', id)).hash })
    expect(after?.hash).not.toBe(before)
  })

  it('are none for whoever is no person, is named by no step, or belongs elsewhere', async () => {
    await order('asks', 'nobody.test')
    for (const door of [world.core.as(acmeAccount()), people.as(people.stranger), people.as(people.root)])
      expect(await waiting(door, 'sign')).toEqual({ rows: [], total: 0, atLeast: false })
  })

  it('are through a limited token those alone that its scope reaches', async () => {
    const { profileId } = await order('asks', 'scoped.test')
    const all = (await waiting(alice, 'sign')).total
    const through = async (place: { authority?: string; profile?: string }) => {
      const scope = { capabilities: ['read', 'approve'] as const, ...place }
      const { text } = await alice.admin.createToken({ user: 'alice', name: 'narrow', scope })
      const known = await world.core.authentication.token(text)
      if (!known) throw new Error('no such token')
      return world.core.as(known)
    }
    expect(profileId).toBe((await world.profile('asks')).id)
    expect((await waiting(await through({ profile: 'asks' }), 'sign')).total).toBe(all)
    expect(await waiting(await through({ profile: 'passes' }), 'sign')).toMatchObject({ total: 0, rows: [] })
    expect((await (await through({ profile: 'passes' })).overview()).waiting).toMatchObject({ count: 0, newest: [] })
  })

  it('are there however much waits in another organization', async () => {
    const { id } = await order('asks', 'hidden.test')
    const { db } = world.it
    const tables = withTables<CoreTables>(db)
    const { id: _, ...request } = await tables
      .selectFrom('sign_requests')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    const { id: __, ...decision } = await tables
      .selectFrom('decisions')
      .selectAll()
      .where('sign_request_id', '=', id)
      .executeTakeFirstOrThrow()
    await transaction(db, async (db) => {
      const tables = withTables<CoreTables>(db)
      for (let n = 0; n < 1000; n++) {
        const other = { ...request, uuid: randomUUID(), origin_ref: null, organization_id: people.elsewhere.id }
        const row = await tables.insertInto('sign_requests').values(other).returning('id').executeTakeFirstOrThrow()
        await tables
          .insertInto('decisions')
          .values({ ...decision, sign_request_id: row.id })
          .execute()
      }
    })
    expect((await waiting(alice, 'sign')).rows[0]).toMatchObject({ id })
  })
})
