import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { followSearch } from '../../src/core/search/searchFollow.ts'
import type { AllTables } from '../../src/core/search/searchTables.ts'
import { uuidv7 } from '../../src/core/uuid.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('what lists are searched by, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
  })
  afterAll(() => close())

  const found = async (kind: 'certificate' | 'sign', name: string): Promise<number[]> => {
    const { list } = people.as(people.root)
    const search = { where: [{ field: 'names', condition: 'contains' as const, value: name }], page: 1, size: 200 }
    const { rows } = await (kind === 'sign'
      ? list.searchRequests({ kind, ...search })
      : list.searchCertificates(search))
    return rows.map(({ id }) => id)
  }

  test('orders of many names are worked up a few at a time', async () => {
    const long = Array.from({ length: 100 }, (_, at) => `${`${at}-`.padEnd(60, 'x')}.${'y'.repeat(60)}.example.org`)
    const { id } = await world.core
      .as(acmeAccount())
      .sign({
        profile: await world.profile(),
        protocol: 'acme',
        action: 'issue',
        csr: await newCsr(long),
        validated: long.map((value) => ({ type: 'dns' as const, value })),
        refusal: 'throw',
      })
      .then(({ request }) => request)
    expect(await found('certificate', long[99] ?? '')).toEqual([id])
    const { wanted } = await withTables<AllTables>(world.it.db)
      .selectFrom('sign_requests')
      .select('wanted')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    const tables = withTables<AllTables>(world.it.db)
    const template = await tables.selectFrom('sign_requests').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    const { id: _, origin_ref: __, ...copy } = template
    await transaction(world.it.db, async (db) => {
      for (let at = 0; at < 120; at++) {
        const row = { ...copy, uuid: uuidv7(world.time.now), origin_ref: null }
        const made = await withTables<AllTables>(db)
          .insertInto('sign_requests')
          .values(row)
          .returning('id')
          .executeTakeFirstOrThrow()
        await withTables<AllTables>(db).insertInto('search_queue').values({ kind: 'sign', ref: made.id }).execute()
      }
    })
    expect(Buffer.byteLength(wanted) * 120).toBeGreaterThan(1.2 * 2 ** 20)
    const stopped = AbortSignal.abort()
    expect(await followSearch(world.it.db, 100, stopped)).toBe(false)
    expect(await followSearch(world.it.db, 1)).toBe(false)
    const { count } = await tables
      .selectFrom('search_queue')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    expect(Number(count)).toBeGreaterThan(0)
    expect(Number(count)).toBeLessThan(120)
    expect(await followSearch(world.it.db, 20)).toBe(true)
    expect(await found('sign', long[99] ?? '')).toHaveLength(121)
  })
})
