import { sql } from 'kysely'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Database, statementCount } from '../../../src/db/open.ts'
import { statement, withTables } from '../../../src/db/tables.ts'
import { isUniqueViolation, single, transaction } from '../../../src/db/transaction.ts'
import type { DatabaseProxy } from '../../helpers/databaseProxy.ts'
import { useProxiedDatabase } from '../../helpers/proxiedDatabase.ts'
import type { TestTables } from '../../helpers/testTables.ts'

/** Statements under names, and transactions that go out in one piece: one connection, so that each finds what the one before has left. */
const used = useProxiedDatabase({ connections: 1 })
let proxy: DatabaseProxy
let db: Database
let direct: Database
beforeEach(() => {
  ;({ proxy, db, direct } = used)
})

const items = (db: Database) => withTables<TestTables>(db)
const add = (db: Database, name: string) => items(db).insertInto('items').values({ name }).execute()
const names = async (db: Database) =>
  (await items(db).selectFrom('items').select('name').orderBy('name').execute()).map(({ name }) => name)
const addUnlessThere = (db: Database, name: string) =>
  items(db)
    .insertInto('items')
    .values({ name })
    .onConflict((conflict) => conflict.doNothing())
    .returning('name')
    .execute()

describe('a statement under a name', () => {
  const broken = (db: Database) =>
    withTables<{ absent: { id: number } }>(db).selectFrom('absent').select('id').execute()

  it('that cannot be parsed says so each time, and the connection goes on', async () => {
    await expect(broken(db)).rejects.toMatchObject({ code: '42P01' })
    await expect(broken(db)).rejects.toMatchObject({ code: '42P01' })
    expect(await names(db)).toEqual([])
    expect(proxy.made).toBe(1)
  })

  it('that cannot be parsed and begins a transaction says so each time, and the next transaction is stored', async () => {
    await expect(transaction(db, broken)).rejects.toMatchObject({ code: '42P01' })
    await expect(transaction(db, broken)).rejects.toMatchObject({ code: '42P01' })
    await transaction(db, (db) => add(db, 'a'))
    expect(await names(direct)).toEqual(['a'])
    expect(proxy.made).toBe(1)
  })

  it('answers with the columns that the table has by now', async () => {
    const all = () => items(db).selectFrom('items').selectAll().execute()
    await transaction(db, (db) => add(db, 'a'))
    const before = await all()
    await transaction(direct, (db) => sql`alter table items add column later integer`.execute(items(db)))
    expect(await all()).toEqual(before.map((row) => ({ ...row, later: null })))
    await transaction(direct, (db) => sql`alter table items drop column later`.execute(items(db)))
    expect(await all()).toEqual(before)
  })

  it('may be raw, if it is built once', async () => {
    const named = statement((tables, text: string) => {
      const query = sql<{ text: string; names: number }>`
        select cast(${text} as text) as text, (select count(*) from pg_prepared_statements where statement like '%how many of this%') as names -- how many of this`
      return { compile: () => query.compile(tables) }
    })
    expect((await named(db, 'one')).rows).toEqual([{ text: 'one', names: 1 }])
    expect((await named(db, 'ö'.repeat(20_000))).rows).toEqual([{ text: 'ö'.repeat(20_000), names: 1 }])
  })
})

describe('a transaction of one statement', () => {
  it('is stored, answers its rows, and costs one commit and one answer', async () => {
    await names(db)
    const before = { ...statementCount(db) }
    expect(await single(db, (db) => addUnlessThere(db, 'a'))).toEqual([{ name: 'a' }])
    expect(await names(direct)).toEqual(['a'])
    expect(statementCount(db).commits - before.commits).toBe(1)
  })

  it('leaves nothing where it fails, and the connection goes on', async () => {
    await single(db, (db) => add(db, 'a'))
    await expect(single(db, (db) => add(db, 'a'))).rejects.toSatisfy(isUniqueViolation)
    await single(db, (db) => add(db, 'b'))
    expect(await names(direct)).toEqual(['a', 'b'])
    expect(proxy.made).toBe(1)
  })

  it('fails where its COMMIT does, and the connection goes on', async () => {
    const once = (db: Database) =>
      withTables<{ late: { id: number } }>(db).insertInto('late').values({ id: 1 }).returning('id').execute()
    await transaction(direct, (db) =>
      sql`create table late (id integer unique deferrable initially deferred)`.execute(items(db)),
    )
    expect(await single(db, once)).toEqual([{ id: 1 }])
    await expect(single(db, once)).rejects.toSatisfy(isUniqueViolation)
    await single(db, (db) => add(db, 'a'))
    expect(await names(direct)).toEqual(['a'])
    expect(proxy.made).toBe(1)
  })

  it('is over when its statement is, awaited or not, and fails with it', async () => {
    const unawaited = async (db: Database) => {
      add(db, 'a').catch(() => {})
    }
    await single(db, unawaited)
    expect(await names(direct)).toEqual(['a'])
    await expect(single(db, unawaited)).rejects.toSatisfy(isUniqueViolation)
    expect(await names(db)).toEqual(['a'])
    expect(proxy.made).toBe(1)
  })

  it('is given no second one', async () => {
    const twice = async (db: Database) => {
      await add(db, 'a')
      await add(db, 'b')
    }
    await expect(single(db, twice)).rejects.toThrow('a transaction of one statement was given another')
    expect(await names(direct)).toEqual(['a'])
  })

  it.each(['before', 'after'] as const)('runs again where the connection is lost %s it was stored', async (where) => {
    await names(db)
    proxy.breakCommit(where)
    const fresh = await single(db, (db) => addUnlessThere(db, 'a'))
    expect(fresh).toEqual(where === 'before' ? [{ name: 'a' }] : [])
    expect(await names(direct)).toEqual(['a'])
  })
})

describe('a transaction whose first statements are asked at once', () => {
  const absent = (db: Database) => sql`select 1 from absent`.execute(items(db))

  it('begins once, with a name or without', async () => {
    await transaction(db, (db) => Promise.all([add(db, 'a'), add(db, 'b'), add(db, 'c')]))
    await transaction(db, (db) => Promise.all([sql`select 1`.execute(items(db)), add(db, 'd')]))
    expect(await names(direct)).toEqual(['a', 'b', 'c', 'd'])
  })

  it.each([
    ['a name', (db: Database) => add(db, 'there')],
    ['none', absent],
    ['a value that is not sent', (db: Database) => add(db, 'a\0')],
  ])('stores nothing where the first, with %s, fails', async (_, fails) => {
    await transaction(db, (db) => add(db, 'there'))
    const both = (db: Database) => Promise.allSettled([fails(db), add(db, 'a'), add(db, 'b')])
    await expect(transaction(db, both)).rejects.toThrow(/duplicate key|does not exist|U\+0000/)
    expect(await names(db)).toEqual(['there'])
    expect(proxy.made).toBe(1)
  })
})

it('what is asked when all names are given away begins, commits and fails as the rest', async () => {
  for (let at = 0; at < 500; at++)
    await items(db)
      .selectFrom('items')
      .select(sql.lit(at).as(`n${at}`))
      .execute()
  await transaction(db, (db) => add(db, 'a'))
  expect(await single(db, (db) => addUnlessThere(db, 'b'))).toEqual([{ name: 'b' }])
  await expect(single(db, (db) => add(db, 'b'))).rejects.toSatisfy(isUniqueViolation)
  expect(await names(db)).toEqual(['a', 'b'])
  expect(proxy.made).toBe(1)
})

it('a transaction without a statement asks nothing of the server', async () => {
  await names(db)
  proxy.silence()
  expect(await transaction(db, async () => 'done')).toBe('done')
  proxy.heal()
  proxy.cut()
})
