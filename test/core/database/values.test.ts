import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/db/migrate.ts'
import type { Database } from '../../../src/db/open.ts'
import { withTables } from '../../../src/db/tables.ts'
import { transaction } from '../../../src/db/transaction.ts'
import { databases } from '../../helpers/databases.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

const items = (db: Database) => withTables<TestTables>(db)

describe.each(databases)('values on $name', ({ openEmpty }) => {
  let db: Database
  let remove: () => Promise<void>
  beforeAll(async () => {
    const opened = await openEmpty()
    db = opened.db
    remove = opened.close
    await migrate(db, testMigrations)
  })
  afterAll(() => remove())
  beforeEach(() => transaction(db, (db) => items(db).deleteFrom('items').execute()))

  const insert = (values: { name: string; amount?: number; content?: Buffer | null; enabled?: number }) =>
    transaction(db, (db) => items(db).insertInto('items').values(values).returningAll().executeTakeFirstOrThrow())

  it('gives octets back as they were', async () => {
    let count = 0
    const octets = fc.uint8Array({ maxLength: 300 })
    await fc.assert(
      fc.asyncProperty(octets, async (bytes) => {
        const { content } = await insert({ name: `bytes ${count++}`, content: Buffer.from(bytes) })
        expect(Buffer.isBuffer(content)).toBe(true)
        expect(content).toEqual(Buffer.from(bytes))
      }),
      { numRuns: 50 },
    )
  })

  it('gives text back as it was, and refuses the character U+0000', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(text, async (name) => {
        await transaction(db, (db) => items(db).deleteFrom('items').execute())
        const stored = insert({ name })
        if (name.includes('\0')) await expect(stored).rejects.toThrow('U+0000')
        else expect(await stored).toMatchObject({ name })
      }),
      { numRuns: 100, examples: [['a\0b'], ['\0'], [''], ["'; drop table items; --"], ['𝄞']] },
    )
  })

  it('refuses U+0000 in a question too', async () => {
    await expect(items(db).selectFrom('items').where('name', '=', 'a\0').select('id').execute()).rejects.toThrow(
      'U+0000',
    )
  })

  it('refuses what only one database would take', async () => {
    const values: unknown[] = [
      true,
      new Date(),
      { a: 1 },
      [1],
      undefined,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Symbol.iterator,
    ]
    for (const value of values) {
      await expect(transaction(db, (db) => sql`update items set amount = ${value}`.execute(items(db)))).rejects.toThrow(
        'cannot be stored',
      )
      await expect(sql`select ${value} as value`.execute(items(db))).rejects.toThrow('cannot be stored')
    }
  })

  it('refuses more parameters than both databases take, and says so', async () => {
    const rowsOf = (count: number) =>
      sql`select count(*) as n from items where name in (${sql.join(Array.from({ length: count }, (_, at) => `${at}`))})`
    await expect(rowsOf(32_766).execute(items(db))).resolves.toMatchObject({ rows: [{ n: 0 }] })
    for (const count of [32_767, 65_536]) {
      const refused = { message: `a statement has ${count} parameters: 32766 are the most` }
      await expect(rowsOf(count).execute(items(db))).rejects.toMatchObject(refused)
      await expect(transaction(db, (db) => rowsOf(count).execute(items(db)))).rejects.toMatchObject(refused)
    }
  })

  it('gives integers as numbers, counted and summed too', async () => {
    await insert({ name: 'a', amount: Number.MAX_SAFE_INTEGER - 1 })
    await insert({ name: 'b', amount: 1 })
    const { rows } = await sql`select count(*) as n, sum(amount) as total, max(amount) as most from items`.execute(
      items(db),
    )
    expect(rows).toEqual([{ n: 2, total: Number.MAX_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER - 1 }])
    expect(await insert({ name: 'c', amount: -5 })).toMatchObject({
      amount: -5,
      enabled: 1,
      state: 'open',
      content: null,
    })
  })

  it('stores no text and no fraction in an integer column, and no flag beside 0 and 1', async () => {
    const update = (value: unknown) =>
      transaction(db, (db) => sql`update items set amount = ${value}`.execute(items(db)))
    await insert({ name: 'a' })
    await expect(update('abc')).rejects.toThrow()
    await expect(update(1.5)).rejects.toThrow()
    await expect(insert({ name: 'b', enabled: 2 })).rejects.toThrow(/check/i)
    expect(await insert({ name: 'b', enabled: 0 })).toMatchObject({ enabled: 0 })
  })

  it('sorts text by code point', async () => {
    for (const name of ['b', 'B', 'a', 'é', '_', 'A', '1', '-', 'aa', 'a-b', 'ab']) await insert({ name })
    const rows = await items(db).selectFrom('items').select('name').orderBy('name').execute()
    expect(rows.map(({ name }) => name)).toEqual(['-', '1', 'A', 'B', '_', 'a', 'a-b', 'aa', 'ab', 'b', 'é'])
  })

  it('says how many rows a statement changed, and gives growing keys', async () => {
    const { id } = await insert({ name: 'a' })
    const next = await insert({ name: 'b' })
    expect(next.id).toBeGreaterThan(id)
    const changed = await transaction(db, async (db) => [
      (await items(db).updateTable('items').set({ amount: 1 }).executeTakeFirst()).numUpdatedRows,
      (await items(db).deleteFrom('items').where('name', '=', 'none').executeTakeFirst()).numDeletedRows,
      (
        await items(db)
          .insertInto('items')
          .values({ name: 'a' })
          .onConflict((on) => on.doNothing())
          .executeTakeFirst()
      ).numInsertedOrUpdatedRows,
    ])
    expect(changed).toEqual([2n, 0n, 0n])
  })
})
