import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/db/migrate.ts'
import { closeDatabase, type Database, openDatabase, statementCount } from '../../../src/db/open.ts'
import { skipLocked, withTables } from '../../../src/db/tables.ts'
import { DatabaseUnavailable, transaction } from '../../../src/db/transaction.ts'
import { databases } from '../../helpers/databases.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

const postgres = databases.find(({ name }) => name === 'postgres')
const items = (db: Database) => withTables<TestTables>(db)

let db: Database
let url: string
let remove: () => Promise<void>
beforeAll(async () => {
  if (postgres === undefined) throw new Error('the list of databases lacks postgres')
  const opened = await postgres.openEmpty()
  db = opened.db
  url = opened.url
  remove = opened.close
  await migrate(db, testMigrations)
})
afterAll(() => remove())
beforeEach(() =>
  transaction(db, async (db) => {
    await items(db).deleteFrom('items').execute()
    await items(db)
      .insertInto('items')
      .values([{ name: 'a' }, { name: 'b' }])
      .execute()
  }),
)

function bump(db: Database, name: string): Promise<unknown> {
  return items(db)
    .updateTable('items')
    .set((row) => ({ amount: row('amount', '+', 1) }))
    .where('name', '=', name)
    .execute()
}

async function amounts(db: Database): Promise<number[]> {
  return (await items(db).selectFrom('items').select('amount').orderBy('name').execute()).map(({ amount }) => amount)
}

/** Resolves for everybody when `count` have come. Later comers pass at once. */
function meeting(count: number): () => Promise<void> {
  let open = () => {}
  const all = new Promise<void>((resolve) => {
    open = resolve
  })
  let come = 0
  return () => {
    if (++come >= count) open()
    return all
  }
}

async function backend(db: Database): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(items(db))
  return rows[0]?.pid ?? 0
}

async function terminate(pid: number): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('select pg_terminate_backend($1, 5000)', [pid])
  await client.end()
}

describe('conflicts', () => {
  it('runs a work again that a deadlock ended', async () => {
    const both = meeting(2)
    let runs = 0
    const cross = (first: string, second: string) =>
      transaction(db, async (db) => {
        runs++
        await bump(db, first)
        await both()
        await bump(db, second)
      })
    await Promise.all([cross('a', 'b'), cross('b', 'a')])
    expect(runs).toBe(3)
    expect(await amounts(db)).toEqual([2, 2])
  })

  it('runs a work again that failed to serialize, even if the work hides the error', async () => {
    const both = meeting(2)
    let runs = 0
    const increment = () =>
      transaction(db, async (db) => {
        runs++
        await sql`set transaction isolation level serializable`.execute(items(db))
        const [amount = 0] = await amounts(db)
        await both()
        try {
          await items(db)
            .updateTable('items')
            .set({ amount: amount + 1 })
            .where('name', '=', 'a')
            .execute()
        } catch {
          throw new Error('hidden')
        }
      })
    await Promise.all([increment(), increment()])
    expect(runs).toBe(3)
    expect(await amounts(db)).toEqual([2, 0])
  })

  it('gives up in the end', async () => {
    let runs = 0
    const conflict = (db: Database) => {
      runs++
      return sql`do $$ begin raise exception 'conflict' using errcode = '40001'; end $$`.execute(items(db))
    }
    await expect(transaction(db, conflict)).rejects.toBeInstanceOf(DatabaseUnavailable)
    expect(runs).toBeGreaterThan(5)
    expect(runs).toBeLessThan(50)
  })
})

describe('transactions side by side', () => {
  it('shows nothing outside before the commit', async () => {
    const inside = meeting(2)
    const looked = meeting(2)
    const stored = transaction(db, async (db) => {
      await bump(db, 'a')
      await inside()
      await looked()
    })
    await inside()
    expect(await amounts(db)).toEqual([0, 0])
    await looked()
    await stored
    expect(await amounts(db)).toEqual([1, 0])
  })

  it('passes over rows that another has locked', async () => {
    const both = meeting(2)
    const claim = () =>
      transaction(db, async (db) => {
        const query = items(db).selectFrom('items').select('name').orderBy('name').limit(1)
        const row = await skipLocked(db, query).executeTakeFirst()
        await both()
        return row?.name
      })
    expect((await Promise.all([claim(), claim()])).sort()).toEqual(['a', 'b'])
  })

  it('guards only the transaction, not what runs beside it', async () => {
    const inside = meeting(2)
    const done = meeting(2)
    const held = transaction(db, async (db) => {
      await bump(db, 'a')
      await inside()
      await done()
    })
    await inside()
    await transaction(db, (db) => bump(db, 'b'))
    await done()
    await held
    expect(await amounts(db)).toEqual([1, 1])
  })
})

describe('a lost connection', () => {
  it('before the commit: the work runs again', async () => {
    let runs = 0
    await transaction(db, async (db) => {
      await bump(db, 'a')
      if (++runs === 1) await terminate(await backend(db))
      await bump(db, 'b')
    })
    expect(runs).toBe(2)
    expect(await amounts(db)).toEqual([1, 1])
  })

  it('during the commit: the outcome is unknown, so nothing is tried again', async () => {
    await transaction(db, async (db) => {
      await sql`create function die() returns trigger language plpgsql as
        $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$`.execute(items(db))
      await sql`create constraint trigger die after insert on notes deferrable initially deferred
        for each row execute function die()`.execute(items(db))
    })
    let runs = 0
    const work = (db: Database) => {
      runs++
      return sql`insert into notes (text) values ('last words')`.execute(items(db))
    }
    await expect(transaction(db, work)).rejects.toThrow(/outcome of the commit is unknown/)
    await expect(transaction(db, work)).rejects.toBeInstanceOf(DatabaseUnavailable)
    expect(runs).toBe(2)
    expect(await amounts(db)).toEqual([0, 0])
  })

  it('while idle: nobody notices', async () => {
    const pids = await Promise.all(Array.from({ length: 4 }, () => transaction(db, backend)))
    for (const pid of new Set(pids)) await terminate(pid)
    expect(await amounts(db)).toEqual([0, 0])
    await transaction(db, (db) => bump(db, 'a'))
    expect(await amounts(db)).toEqual([1, 0])
  })

  it('is unavailability when there is no server', async () => {
    const nowhere = openDatabase('postgres://postgres@localhost/x?host=/nonexistent')
    await expect(amounts(nowhere)).rejects.toBeInstanceOf(DatabaseUnavailable)
    await expect(transaction(nowhere, amounts)).rejects.toBeInstanceOf(DatabaseUnavailable)
    await closeDatabase(nowhere)
  })
})

describe('statements', () => {
  it('are refused with their own error when the database refuses them', async () => {
    await expect(sql`select nothing`.execute(items(db))).rejects.toMatchObject({ code: '42703' })
    await expect(transaction(db, (db) => sql`select nothing`.execute(items(db)))).rejects.toMatchObject({
      code: '42703',
    })
  })

  it('that nobody awaited and that failed do not pass for a commit', async () => {
    const before = statementCount(db).commits
    const work = async (db: Database): Promise<void> => {
      await bump(db, 'a')
      sql`select nothing`.execute(items(db)).catch(() => {})
    }
    await expect(transaction(db, work)).rejects.toThrow()
    expect(statementCount(db).commits).toBe(before)
    expect(await amounts(db)).toEqual([0, 0])
  })

  it('are parsed once, and go on when a migration changes what they return', async () => {
    const all = () => items(db).selectFrom('items').selectAll().orderBy('name').executeTakeFirst()
    await Promise.all(Array.from({ length: 20 }, all))
    await transaction(db, (db) => sql`alter table items add column more bigint`.execute(items(db)))
    expect(await Promise.all(Array.from({ length: 20 }, all))).toEqual(
      Array(20).fill(expect.objectContaining({ more: null })),
    )
  })
})
