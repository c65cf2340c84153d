import Sqlite from 'better-sqlite3'
import { type Kysely, sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/db/migrate.ts'
import { type Database, statementCount } from '../../../src/db/open.ts'
import { keptStatement, withTables } from '../../../src/db/tables.ts'
import { transaction } from '../../../src/db/transaction.ts'
import { databases } from '../../helpers/databases.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

const amountOf = keptStatement((tables: Kysely<TestTables>, name: string) =>
  tables.selectFrom('items').select('amount').where('name', '=', name),
)
const nameOf = keptStatement((tables: Kysely<TestTables>, name: string) =>
  tables.selectFrom('items').select('name').where('name', '=', name),
)
const items = (db: Database) => withTables<TestTables>(db)
const add = (db: Database, name: string, amount: number) =>
  transaction(db, (db) => items(db).insertInto('items').values({ name, amount }).execute())
const change = (db: Database, amount: number) => items(db).updateTable('items').set({ amount }).execute()
const amount = async (db: Database, name = 'a') => (await amountOf(db, name)).rows[0]?.amount

describe.each(databases)('answers that are kept, on $name', ({ openEmpty }) => {
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

  it('are those of the last commit, there or not', async () => {
    expect(await amount(db)).toBeUndefined()
    await add(db, 'a', 1)
    await add(db, 'b', 2)
    expect([await amount(db), await amount(db, 'b'), await amount(db)]).toEqual([1, 2, 1])
    await transaction(db, (db) => change(db, 3))
    expect([await amount(db), await amount(db, 'b')]).toEqual([3, 3])
    await transaction(db, (db) => items(db).deleteFrom('items').where('name', '=', 'a').execute())
    expect([await amount(db), await amount(db, 'b')]).toEqual([undefined, 3])
  })

  it('are not those of what was undone, and in a transaction are its own', async () => {
    await add(db, 'a', 1)
    await amount(db)
    const undone = transaction(db, async (db) => {
      await change(db, 2)
      expect(await amount(db)).toBe(2)
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    expect(await amount(db)).toBe(1)
  })
})

describe('answers that are kept, on SQLite', () => {
  let db: Database
  let url: string
  let remove: () => Promise<void>
  beforeEach(async () => {
    const sqlite = databases.find(({ name }) => name === 'sqlite')
    if (sqlite === undefined) throw new Error('the list of databases lacks sqlite')
    const opened = await sqlite.openEmpty()
    db = opened.db
    url = opened.url
    remove = opened.close
    await migrate(db, testMigrations)
    await add(db, 'a', 1)
  })
  afterEach(() => remove())

  const asked = async () => {
    const { statements } = statementCount(db)
    const found = await amount(db)
    return [found, statementCount(db).statements - statements]
  }

  it('are not asked for again until one of their tables is written to', async () => {
    await amount(db)
    await amount(db)
    expect(await asked()).toEqual([1, 0])
    await transaction(db, (db) => sql`create table beside (x integer)`.execute(items(db)))
    expect(await asked()).toEqual([1, 1])
    await transaction(db, (db) => sql`insert into beside (x) values (1)`.execute(items(db)))
    expect(await asked()).toEqual([1, 0])
    await transaction(db, async (db) => {
      await sql`create virtual table texts using fts5 (text)`.execute(items(db))
      await sql`insert into texts (text) values ('first')`.execute(items(db))
    })
    await amount(db)
    await transaction(db, (db) => sql`insert into texts (text) values ('second')`.execute(items(db)))
    expect(await asked()).toEqual([1, 0])
  })

  it('change when another process writes', async () => {
    await amount(db)
    await amount(db)
    const other = new Sqlite(url)
    other.exec(`update items set amount = 5`)
    expect(await asked()).toEqual([5, 1])
    other.close()
  })

  it('change when tables lie elsewhere than before, because another process has put the file in order', async () => {
    await transaction(db, async (db) => {
      for (const name of ['first', 'second', 'third'])
        await sql`create table ${sql.table(name)} (x integer)`.execute(items(db))
      await sql`drop table first`.execute(items(db))
    })
    const write = () => transaction(db, (db) => sql`insert into second (x) values (1)`.execute(items(db)))
    await transaction(db, (db) => change(db, 2))
    await write()
    expect([await amount(db), await amount(db)]).toEqual([2, 2])
    const other = new Sqlite(url)
    other.exec('vacuum')
    other.close()
    expect(await amount(db)).toBe(2)
    await write()
    expect(await asked()).toEqual([2, 0])
    await transaction(db, (db) => change(db, 3))
    expect(await amount(db)).toBe(3)
  })

  it('change when another process has made a trigger that writes', async () => {
    await transaction(db, (db) => sql`create table beside (x integer)`.execute(items(db)))
    const write = () => transaction(db, (db) => sql`insert into beside (x) values (1)`.execute(items(db)))
    await write()
    await amount(db)
    const other = new Sqlite(url)
    other.exec('create trigger counted after insert on beside begin update items set amount = amount + 1; end')
    other.close()
    expect([await amount(db), await amount(db)]).toEqual([1, 1])
    await write()
    expect(await amount(db)).toBe(2)
    await write()
    expect(await amount(db)).toBe(3)
  })

  it('go with the names of columns: another process has renamed one', async () => {
    const all = async () => (await items(db).selectFrom('items').selectAll().execute())[0] as object
    const before = await all()
    expect(before).toHaveProperty('amount', 1)
    await nameOf(db, 'a')
    const other = new Sqlite(url)
    other.exec('alter table items rename column amount to much')
    other.close()
    await nameOf(db, 'a')
    expect(await all()).toHaveProperty('much', 1)
  })

  it('are not those about what is not there: who asks for names at random fills no memory', async () => {
    for (let n = 0; n < 2; n++) {
      const { statements } = statementCount(db)
      expect(await amount(db, 'nobody')).toBeUndefined()
      expect(statementCount(db).statements - statements).toBe(1)
    }
  })

  it('change when a trigger or a foreign key writes', async () => {
    await transaction(db, async (db) => {
      await sql`create table owners (id integer primary key)`.execute(items(db))
      // Known before there is a trigger.
      await sql`insert into owners values (${1})`.execute(items(db))
      await sql`create trigger counted after insert on owners begin update items set amount = amount + 1; end`.execute(
        items(db),
      )
      await sql`create table owned (name text, owner integer references owners (id) on delete cascade)`.execute(
        items(db),
      )
      await sql`insert into owned values ('x', 1)`.execute(items(db))
    })
    const ownedBy = keptStatement((tables: Kysely<{ owned: { name: string; owner: number } }>, owner: number) =>
      tables.selectFrom('owned').select('name').where('owner', '=', owner),
    )
    for (let n = 0; n < 3; n++) expect([await amount(db), (await ownedBy(db, 1)).rows.length]).toEqual([1, 1])
    await transaction(db, (db) => sql`insert into owners values (${2})`.execute(items(db)))
    expect(await amount(db)).toBe(2)
    await transaction(db, (db) => sql`delete from owners where id = 1`.execute(items(db)))
    expect((await ownedBy(db, 1)).rows).toEqual([])
  })
})
