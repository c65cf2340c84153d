import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/db/migrate.ts'
import { closeDatabase, type Database, statementCount } from '../../../src/db/open.ts'
import { forUpdate, skipLocked, withTables } from '../../../src/db/tables.ts'
import { DatabaseUnavailable, isUniqueViolation, transaction } from '../../../src/db/transaction.ts'
import { databases } from '../../helpers/databases.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

const items = (db: Database) => withTables<TestTables>(db)

function add(db: Database, name: string): Promise<{ id: number }> {
  return items(db).insertInto('items').values({ name }).returning('id').executeTakeFirstOrThrow()
}

async function names(db: Database): Promise<string[]> {
  const rows = await items(db).selectFrom('items').select('name').orderBy('name').execute()
  return rows.map(({ name }) => name)
}

describe.each(databases)('transaction on $name', ({ openEmpty }) => {
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

  it('resolves with the value of the work once it is stored', async () => {
    const { id } = await transaction(db, (db) => add(db, 'a'))
    expect(await items(db).selectFrom('items').select('name').where('id', '=', id).executeTakeFirst()).toEqual({
      name: 'a',
    })
  })

  it('undoes a work that throws, and only that one', async () => {
    const failure = new Error('no')
    const results = await Promise.allSettled([
      transaction(db, (db) => add(db, 'a')),
      transaction(db, async (db) => {
        await add(db, 'b')
        throw failure
      }),
      transaction(db, (db) => add(db, 'c')),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: failure })
    expect(await names(db)).toEqual(['a', 'c'])
  })

  it('undoes a work that throws alone, or before it returns a promise', async () => {
    const work = async (db: Database): Promise<void> => {
      await add(db, 'a')
      throw new Error('alone')
    }
    await expect(transaction(db, work)).rejects.toThrow('alone')
    const thrower = (): Promise<void> => {
      throw new Error('at once')
    }
    await expect(transaction(db, thrower)).rejects.toThrow('at once')
    expect(await names(db)).toEqual([])
  })

  it('does not commit after a failed statement, even when the work goes on', async () => {
    await transaction(db, (db) => add(db, 'taken'))
    const work = async (db: Database): Promise<string> => {
      await add(db, 'before')
      await add(db, 'taken').catch(() => {})
      return 'done'
    }
    await expect(transaction(db, work)).rejects.toSatisfy(isUniqueViolation)
    const goesOn = async (db: Database): Promise<void> => {
      await add(db, 'taken').catch(() => {})
      await add(db, 'after')
    }
    await expect(transaction(db, goesOn)).rejects.toSatisfy(isUniqueViolation)
    expect(await names(db)).toEqual(['taken'])
  })

  it('tells a unique violation from other errors', async () => {
    const leader = (name: string) =>
      transaction(db, (db) => items(db).insertInto('items').values({ name, state: 'leader' }).execute())
    await leader('a')
    expect(await leader('b').catch(isUniqueViolation)).toBe(true)
    const sameKey = transaction(db, (db) =>
      sql`insert into migrations (name, applied_at) values ('0001-items', 0)`.execute(items(db)),
    )
    expect(await sameKey.catch(isUniqueViolation)).toBe(true)
    const flag = transaction(db, (db) => items(db).insertInto('items').values({ name: 'c', enabled: 2 }).execute())
    expect(await flag.catch(isUniqueViolation)).toBe(false)
    expect(isUniqueViolation(new Error('no code'))).toBe(false)
    expect(isUniqueViolation('23505')).toBe(false)
  })

  it('runs 200 at once, none lost', async () => {
    await transaction(db, (db) => add(db, 'counter'))
    const count = (db: Database) =>
      items(db)
        .updateTable('items')
        .set((row) => ({ amount: row('amount', '+', 1) }))
        .where('name', '=', 'counter')
        .returning('amount')
        .executeTakeFirstOrThrow()
    const results = await Promise.all(Array.from({ length: 200 }, () => transaction(db, count)))
    expect(results.map(({ amount }) => amount).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 200 }, (_, index) => index + 1),
    )
  })

  it('lets one of many conditional updates win', async () => {
    await transaction(db, (db) => add(db, 'request'))
    const move = async (db: Database): Promise<bigint> => {
      const query = items(db)
        .updateTable('items')
        .set({ state: 'moved' })
        .where('name', '=', 'request')
        .where('state', '=', 'open')
      return (await query.executeTakeFirst()).numUpdatedRows
    }
    const moved = await Promise.all(Array.from({ length: 20 }, () => transaction(db, move)))
    expect(moved.filter((rows) => rows === 1n)).toHaveLength(1)
    expect(moved.filter((rows) => rows === 0n)).toHaveLength(19)
  })

  it('takes no write through the outer handle', async () => {
    await expect(add(db, 'a')).rejects.toThrow(/read-?only/)
    await expect(sql`delete from items`.execute(items(db))).rejects.toThrow(/read-?only/)
    await expect(
      items(db)
        .transaction()
        .execute(() => add(db, 'a')),
    ).rejects.toThrow('use transaction()')
    await transaction(db, (db) => add(db, 'b'))
    expect(await names(db)).toEqual(['b'])
  })

  it('refuses the outer handle inside a transaction', async () => {
    await expect(transaction(db, () => names(db))).rejects.toThrow('outer database handle')
    const late = async (inner: Database): Promise<void> => {
      await add(inner, 'a')
      await names(db)
    }
    await expect(transaction(db, late)).rejects.toThrow('outer database handle')
    expect(await names(db)).toEqual([])
  })

  it('refuses a transaction inside a transaction', async () => {
    await expect(transaction(db, () => transaction(db, (db) => add(db, 'a')))).rejects.toThrow('inside a transaction')
    await expect(transaction(db, (db) => transaction(db, (db) => add(db, 'a')))).rejects.toThrow('inside a transaction')
    expect(await names(db)).toEqual([])
  })

  it('refuses the handle of a transaction that has ended', async () => {
    const kept = await transaction(db, async (db) => ({ db }))
    await expect(add(kept.db, 'a')).rejects.toThrow('had ended')
    await expect(names(kept.db)).rejects.toThrow('had ended')
    const failed: { db?: Database } = {}
    await transaction(db, async (db) => {
      failed.db = db
      throw new Error('no')
    }).catch(() => {})
    await expect(failed.db && names(failed.db)).rejects.toThrow('had ended')
  })

  it('runs statements that are started together', async () => {
    await transaction(db, async (db) => {
      await Promise.all(['a', 'b', 'c'].map((name) => add(db, name)))
    })
    expect(await names(db)).toEqual(['a', 'b', 'c'])
  })

  it('locks rows where the database has more than one writer', async () => {
    await transaction(db, (db) => add(db, 'a'))
    const query = (db: Database) => items(db).selectFrom('items').select('name')
    const found = await transaction(db, async (db) => [
      await forUpdate(db, query(db)).execute(),
      await skipLocked(db, query(db)).execute(),
    ])
    expect(found).toEqual([[{ name: 'a' }], [{ name: 'a' }]])
  })

  it('counts statements and commits', async () => {
    const before = { ...statementCount(db) }
    await transaction(db, async (db) => {
      await add(db, 'a')
      await add(db, 'b')
    })
    await names(db)
    expect(statementCount(db)).toMatchObject({ statements: before.statements + 3, commits: before.commits + 1 })
  })

  it('finishes what waits when it is closed, and takes nothing more', async () => {
    const { db, close } = await openEmpty()
    await migrate(db, testMigrations)
    const stored = Array.from({ length: 30 }, (_, index) => transaction(db, (db) => add(db, `n${index}`)))
    await closeDatabase(db)
    expect((await Promise.all(stored)).length).toBe(30)
    await expect(transaction(db, (db) => add(db, 'late'))).rejects.toBeInstanceOf(DatabaseUnavailable)
    await expect(names(db)).rejects.toBeInstanceOf(DatabaseUnavailable)
    await close()
  })
})
