import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { system } from '../../src/core/requester.ts'
import { usualReach } from '../../src/core/search/search.ts'
import { fieldsOf } from '../../src/core/search/searchFields.ts'
import { conditions, type Filter } from '../../src/core/search/searchFilter.ts'
import { createSearches } from '../../src/core/search/searchRows.ts'
import type { AllTables } from '../../src/core/search/searchTables.ts'
import { readApart, TookTooLong } from '../../src/db/apart.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { failure } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('what a list is asked for, on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
  })
  afterAll(() => close())

  const ask = (_kind: 'certificate', where: Filter[], { page = 1, size = 100 } = {}) =>
    createSearches(world.it, system('test')).searchCertificates({ where, page, size })

  describe('refused as malformed, never anything else,', () => {
    const one = (filter: unknown) => [filter] as Filter[]
    test.each([
      ['U+0000', { field: 'names', condition: 'contains', value: 'a\0b' }],
      ['half a character', { field: 'names', condition: 'equals', value: 'a\ud800' }],
      ['a mebibyte', { field: 'subject', condition: 'contains', value: 'a'.repeat(2 ** 20) }],
      ['an empty text', { field: 'subject', condition: 'contains', value: '' }],
      ['a field that there is not', { field: "id' or 1=1 --", condition: 'equals', value: '1' }],
      ['a member of every object', { field: 'constructor', condition: 'equals', value: '1' }],
      ['a condition that there is not', { field: 'names', condition: 'like', value: 'a' }],
      ['an order of texts', { field: 'names', condition: 'greater', value: 'a' }],
      ['a part of a date', { field: 'notAfter', condition: 'contains', value: 1 }],
      ['a text for a date', { field: 'notAfter', condition: 'equals', value: '2026' }],
      ['no date', { field: 'notAfter', condition: 'greater', value: Number.NaN }],
      ['an object', { field: 'names', condition: 'equals', value: { $gt: '' } }],
      ['nothing', { field: 'names', condition: 'equals' }],
      ['no value of several', { field: 'names', condition: 'equals', value: [] }],
      ['a value for empty', { field: 'names', condition: 'empty', value: 'a' }],
      ['too many values', { field: 'names', condition: 'equals', value: Array.from({ length: 101 }, String) }],
      ['a broken expression', { field: 'names', condition: 'matches', value: '(' }],
      ['an expression with a look back', { field: 'names', condition: 'matches', value: '(a)\\1' }],
      ['an expression that grows', { field: 'names', condition: 'matches', value: '(a{100}){100}' }],
      ['a length of time backwards', { field: 'notAfter', condition: 'inNext', value: -1 }],
    ])('is %s', async (_what, filter) => {
      await expect(ask('certificate', one(filter))).rejects.toMatchObject(failure('malformed'))
    })
    test('are ten thousand filters', async () => {
      const where = Array.from(
        { length: 10_000 },
        (): Filter => ({ field: 'names', condition: 'contains', value: 'a' }),
      )
      await expect(ask('certificate', where)).rejects.toMatchObject(failure('malformed'))
    })
    test('are more than five regular expressions, however they are spread', async () => {
      const slow = (value: string | string[]): Filter => ({ field: 'names', condition: 'notMatches', value })
      const many = (count: number) => Array.from({ length: count }, (_, n) => `([a-z]*b?){60}${n}`)
      await expect(ask('certificate', one(slow(many(6))))).rejects.toMatchObject(failure('malformed', /at most 5/))
      const spread = many(6).map((value) => slow(value))
      await expect(ask('certificate', spread)).rejects.toMatchObject(failure('malformed', /at most 5/))
      expect((await ask('certificate', one(slow(many(5))))).total).toBeGreaterThan(0)
    })
    test('are regular expressions that compute for too long, with what to do', async () => {
      const reach = { ...usualReach, computing: 0 }
      const where: Filter[] = [{ field: 'names', condition: 'notMatches', value: 'x' }]
      await expect(
        createSearches(world.it, system('test'), reach).searchCertificates({ where, page: 1, size: 1 }),
      ).rejects.toMatchObject(failure('malformed', /narrow the filters/))
    })
    test.each([0, -1, 1.5, Number.NaN, 1e12])('is page %d', async (page) => {
      await expect(ask('certificate', [], { page })).rejects.toMatchObject(failure('malformed'))
      await expect(ask('certificate', [], { size: page })).rejects.toMatchObject(failure('malformed'))
    })
    test('is what takes too long, with what to do', async () => {
      const slow = sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000000)
        select count(*) as c from n where ${world.it.db.dialect === 'sqlite' ? sql`in_time()` : sql`true`}`
      const db = world.it.db
      await expect(
        readApart(db, { compile: () => slow.compile(withTables<AllTables>(db)) } as never, 50),
      ).rejects.toBeInstanceOf(TookTooLong)
      // And the next one is answered.
      expect((await ask('certificate', [])).total).toBeGreaterThan(0)
    })
  })

  test('random texts as values find or are refused, and nothing else happens', async () => {
    const fields = [...fieldsOf('certificate').keys()]
    const filter = fc.record({
      field: fc.constantFrom(...fields),
      condition: fc.constantFrom(...conditions),
      value: fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string(),
        fc.integer(),
        fc.constantFrom('%', '_', '"', "'", '\\', '*', 'NEAR(', '\ud800', '\0'),
      ),
    })
    await fc.assert(
      fc.asyncProperty(filter, async (one) => {
        const result = await ask('certificate', [one]).catch((error: unknown) => error)
        if (result instanceof Error) expect(result).toMatchObject(failure('malformed'))
      }),
      { numRuns: 60 },
    )
  })
})
