import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { addRole, addRoleMember } from '../../src/core/identity/role.ts'
import { readerOf } from '../../src/core/request/requestReader.ts'
import { type Requester, system } from '../../src/core/requester.ts'
import type { Filter } from '../../src/core/search/searchFilter.ts'
import { followSearch } from '../../src/core/search/searchFollow.ts'
import { createSearches } from '../../src/core/search/searchRows.ts'
import type { AllTables, SearchKind } from '../../src/core/search/searchTables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { holds } from '../helpers/searchModel.ts'
import { randomFilter, shownRows } from '../helpers/searchRows.ts'
import { addSamples } from '../helpers/searchSamples.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const reach = { count: 10_000, expressions: 10_000, computing: 10_000, within: 10_000 }

describe.each(databases)('lists by page number, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await world.save('reviewed', { rules: { issue: [{ name: 'security', require: [{ roles: ['security'] }] }] } })
    await order('default', 'www.example.org')
    const [one, two] = [await world.profile(), await world.profile('reviewed')]
    await addSamples(world, {
      count: 240,
      elsewhere: people.elsewhere.id,
      profiles: [one.id, two.id, null],
      authorities: [one.authorityId, one.authorityId - 1],
      people: [people.alice.id, people.chief.id],
    })
    await order('reviewed', 'waits.example.org')
  })
  afterAll(() => close())

  async function order(profileName: string, name: string, requester = acmeAccount()): Promise<number> {
    const profile = await world.profile(profileName)
    const csr = await newCsr([name])
    const validated = [{ type: 'dns', value: name }] as const
    const draft = { profile, protocol: 'acme', action: 'issue', csr, validated, refusal: 'throw' } as const
    return (await world.core.as(requester).sign(draft)).request.id
  }

  const searches = (requester: Requester = system('test'), change: Partial<typeof reach> = {}) =>
    createSearches(world.it, requester, { ...reach, ...change })

  async function ask(
    kind: SearchKind,
    where: Filter[],
    {
      as,
      change,
      page = 1,
      size = 1000,
    }: { as?: Requester; change?: Partial<typeof reach>; page?: number; size?: number } = {},
  ) {
    const list = searches(as, change)
    const search = { where, page, size }
    const found = await (kind === 'certificate'
      ? list.searchCertificates(search)
      : list.searchRequests({ ...search, kind }))
    return { ...found, ids: found.rows.map(({ id }) => id) }
  }

  test.each(['certificate', 'sign'] as const)(
    'random filters over a %s find what plain evaluation finds',
    async (kind) => {
      const rows = await shownRows(world, kind)
      const now = world.it.clock().getTime()
      const seeds = fc.array(fc.integer({ min: 1, max: 2 ** 30 }), { minLength: 1, maxLength: 3 })
      let hits = 0
      await fc.assert(
        fc.asyncProperty(seeds, fc.constantFrom(10_000, 5), async (several, count) => {
          const where = several.map((seed) => randomFilter(kind, rows, seed))
          const expected = rows.filter((row) => where.every((filter) => holds(row, filter, now))).map(({ id }) => id)
          if (expected.length > 0) hits++
          // With the smaller reach the other way through the rows is taken.
          const { ids, total, atLeast } = await ask(kind, where, { change: { count } })
          expect(ids).toEqual(atLeast ? expected.slice(0, count) : expected)
          expect(total).toBe(atLeast ? count : expected.length)
          expect(atLeast).toBe(atLeast && expected.length > count)
        }),
        { numRuns: 40 },
      )
      expect(hits).toBeGreaterThan(8)
    },
  )

  test('what has ended is found where the newest have not, however far is counted', async () => {
    const ended: Filter = { field: 'status', condition: 'equals', value: 'expired' }
    const expected = (await shownRows(world, 'certificate')).filter((row) => holds(row, ended, 0)).map(({ id }) => id)
    expect(expected.length).toBeGreaterThan(3)
    for (const where of [[ended], [ended, { field: 'createdAt', condition: 'greater', value: 1 }]] satisfies Filter[][])
      for (const count of [10_000, 3]) {
        const { ids, total, atLeast } = await ask('certificate', where, { change: { count } })
        expect([ids, total, atLeast]).toEqual(
          count === 3 ? [expected.slice(0, 3), 3, true] : [expected, expected.length, false],
        )
      }
  })

  describe('show to', () => {
    /** Page by page, as `may` of requestReader.ts answers for each row alone. */
    async function readable(as: Requester, kind: 'certificate' | 'sign'): Promise<number[]> {
      const reader = await readerOf(world.it.db, as)
      let query = withTables<AllTables>(world.it.db)
        .selectFrom('sign_requests as asked')
        .select(['asked.id', 'asked.requester', 'asked.requester_key', 'asked.organization_id'])
        .orderBy('asked.id', 'desc')
      if (kind === 'certificate') query = query.innerJoin('certificates as made', 'made.id', 'asked.id')
      const table = kind === 'certificate' ? 'made' : 'asked'
      const rows = await query
        .select([`${table}.authority_id` as 'asked.authority_id', `${table}.profile_id` as 'asked.profile_id'])
        .execute()
      if (reader.sees === 'all') return rows.map(({ id }) => id)
      if (reader.sees === 'own')
        return rows.filter((row) => row.requester_key === reader.requesterKey).map(({ id }) => id)
      const here = rows.filter((row) => row.organization_id === reader.organizationId)
      const ids = await reader.may('sign', here)
      return here.filter(({ id }) => ids.has(id)).map(({ id }) => id)
    }

    async function agree(as: Requester): Promise<{ certificate: number; sign: number }> {
      const seen = { certificate: 0, sign: 0 }
      for (const kind of ['certificate', 'sign'] as const) {
        const expected = await readable(as, kind)
        for (const count of [10_000, 3]) {
          const all = await ask(kind, [], { as, change: { count } })
          expect(all.ids).toEqual(all.atLeast ? expected.slice(0, count) : expected)
          expect(all.total).toBe(all.atLeast ? count : expected.length)
          // No filter makes the total tell of what is not seen.
          const part = await ask(kind, [{ field: 'names', condition: 'contains', value: 'a' }], {
            as,
            change: { count },
          })
          expect(part.ids.filter((id) => !expected.includes(id))).toEqual([])
        }
        seen[kind] = expected.length
      }
      return seen
    }

    test('the operator everything, an administrator his organization, another one his', async () => {
      const all = await agree(system('test'))
      const here = await agree(asRequester(people.chief))
      const there = await agree(asRequester(people.stranger))
      expect(here.certificate + there.certificate).toBe(all.certificate)
      expect(there.certificate).toBeGreaterThan(50)
    })
    test('a user without rights what he stands behind, one with a capability what came over it', async () => {
      const without = await agree(asRequester(people.alice))
      expect(without.sign).toBeGreaterThan(0)
      await people.as(people.chief).admin.createUser({ name: 'reader' })
      const reader = await people.named('reader')
      expect(await agree(asRequester(reader))).toEqual({ certificate: 0, sign: 0 })
      await people.give(reader, 'read', { profileId: (await world.profile('reviewed')).id })
      expect((await agree(asRequester(reader))).sign).toBeGreaterThan(0)
    })
    test('a user whom a rule asks what it asks him for', async () => {
      await people.as(people.chief).admin.createUser({ name: 'asked' })
      const user = await people.named('asked')
      await transaction(world.it.db, async (db) => {
        const change = { actor: system('test'), at: world.it.clock() }
        const role = await addRole(db, change, user.organizationId, 'security')
        await addRoleMember(db, change, { role, userId: user.id })
      })
      expect(await agree(asRequester(user))).toEqual({ certificate: 0, sign: 1 })
    })
    test('a client what it asked for itself', async () => {
      const { certificate } = await agree(acmeAccount('3'))
      expect(certificate).toBeGreaterThan(0)
      expect(await agree(acmeAccount('nobody'))).toEqual({ certificate: 0, sign: 0 })
    })
    test('a user who is disabled nothing more', async () => {
      await people.as(people.chief).admin.createUser({ name: 'gone' })
      const gone = await people.named('gone')
      await people.as(people.chief).admin.changeUser('gone', { enabled: false })
      await expect(ask('certificate', [], { as: asRequester(gone) })).rejects.toMatchObject(failure('forbidden'))
    })
  })

  describe('pages', () => {
    test.each([1, 7, 100])('of %i rows hold every row once, with and without a filter', async (size) => {
      for (const where of [[], [{ field: 'status', condition: 'notEquals', value: 'expired' }]] satisfies Filter[][]) {
        for (const count of [10_000, 2]) {
          const all = await ask('certificate', where)
          const seen: number[] = []
          const pages = where.length > 0 && count === 2 ? Math.ceil(2 / size) : Math.ceil(all.total / size)
          for (let page = 1; page <= Math.min(pages, 12); page++)
            seen.push(...(await ask('certificate', where, { page, size, change: { count } })).ids)
          expect(seen).toEqual(all.ids.slice(0, seen.length))
          expect(seen.length).toBeGreaterThan(1)
        }
      }
    })
    test('behind the last are empty and keep the total', async () => {
      const { total } = await ask('certificate', [])
      for (const where of [[], [{ field: 'names', condition: 'notEmpty' }]] satisfies Filter[][]) {
        const beyond = await ask('certificate', where, { page: 1_000_000 })
        expect(beyond.ids).toEqual([])
        expect(beyond.total).toBeGreaterThan(0)
        expect(beyond.total).toBeLessThanOrEqual(total)
      }
    })
    test('behind what is counted are refused, with what to do', async () => {
      const where: Filter[] = [{ field: 'createdAt', condition: 'notEmpty' }]
      await expect(ask('certificate', where, { page: 4, size: 1, change: { count: 3 } })).rejects.toMatchObject(
        failure('malformed', /narrow the filter/),
      )
    })
  })

  test('a change shows in the next list, and the totals stay those of the tables', async () => {
    const before = await ask('certificate', [{ field: 'status', condition: 'equals', value: 'hold' }])
    const id = await order('default', 'changes.example.org')
    await transaction(world.it.db, (db) =>
      withTables<AllTables>(db)
        .updateTable('certificates')
        .set({ status: 'hold', revoked_at: 1 })
        .where('id', '=', id)
        .execute(),
    )
    const after = await ask('certificate', [{ field: 'status', condition: 'equals', value: 'hold' }])
    expect(after.ids).toEqual([id, ...before.ids])
    const { rows } = await sql<{ bad: number }>`select count(*) as bad from search_facets f where f.total <>
      (select coalesce(sum(n), 0) from search_counts c where c.facet_id = f.id)`.execute(
      withTables<AllTables>(world.it.db),
    )
    expect(rows).toEqual([{ bad: 0 }])
    const all = await ask('sign', [])
    const { n } = await withTables<AllTables>(world.it.db)
      .selectFrom('sign_requests')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
    expect(all.total).toBe(n)
  })

  test('owners and groups show in the next list, and a group under its new name', async () => {
    const id = await order('default', 'owned.example.org')
    const inventory = world.core.as(system('test')).inventory
    const tables = withTables<AllTables>(world.it.db)
    const user = await tables.selectFrom('users').select('uuid').where('name', '=', 'chief').executeTakeFirstOrThrow()
    const group = await tables.selectFrom('groups').selectAll().where('name', '=', 'Äther').executeTakeFirstOrThrow()
    const mine: Filter[] = [
      { field: 'names', condition: 'equals', value: 'owned.example.org' },
      { field: 'owner', condition: 'equals', value: 'CHIEF' },
      { field: 'groups', condition: 'contains', value: 'äth' },
    ]
    expect((await ask('certificate', mine)).ids).toEqual([])
    await inventory.assign([id], { owner: user.uuid, groups: [group.uuid] })
    expect((await ask('certificate', mine)).ids).toEqual([id])
    expect((await ask('sign', mine)).ids).toEqual([id])
    await transaction(world.it.db, (db) =>
      withTables<AllTables>(db).updateTable('groups').set({ name: 'Ether' }).where('id', '=', group.id).execute(),
    )
    expect((await ask('sign', mine)).ids).toEqual([])
    await inventory.assign([id], { owner: null, groups: [] })
    const gone: Filter[] = [...mine.slice(0, 1), { field: 'owner', condition: 'empty' }]
    expect((await ask('sign', [...gone, { field: 'groups', condition: 'empty' }])).ids).toEqual([id])
  })
  test('a certificate that is gone leaves the list and its totals', async () => {
    const id = await order('default', 'gone.example.org')
    const where: Filter[] = [{ field: 'names', condition: 'contains', value: 'gone.example' }]
    const before = await ask('certificate', [])
    expect((await ask('certificate', where)).ids).toEqual([id])
    await transaction(world.it.db, async (db) => {
      const tables = withTables<AllTables>(db)
      await tables.deleteFrom('certificates').where('id', '=', id).execute()
      await tables.insertInto('search_queue').values({ kind: 'sign', ref: id }).execute()
    })
    expect((await ask('certificate', where)).ids).toEqual([])
    expect((await ask('certificate', [])).total).toBe(before.total - 1)
  })

  test('what is worked up in any order comes to the same', async () => {
    const all = (await ask('certificate', [])).ids
    await transaction(world.it.db, async (db) => {
      const tables = withTables<AllTables>(db)
      for (const id of all.toReversed())
        await tables.insertInto('search_queue').values({ kind: 'certificate', ref: id }).execute()
    })
    await Promise.all([followSearch(world.it.db, 100), followSearch(world.it.db, 100)])
    expect((await ask('certificate', [])).ids).toEqual(all)
  })
})
