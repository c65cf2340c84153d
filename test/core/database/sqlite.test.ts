import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/db/migrate.ts'
import { type Database, openDatabase, statementCount } from '../../../src/db/open.ts'
import { withTables } from '../../../src/db/tables.ts'
import { DatabaseUnavailable, transaction } from '../../../src/db/transaction.ts'
import { databases } from '../../helpers/databases.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

const sqlite = databases.find(({ name }) => name === 'sqlite')
const items = (db: Database) => withTables<TestTables>(db)

function add(db: Database, name: string): Promise<unknown> {
  return items(db).insertInto('items').values({ name }).execute()
}

async function names(db: Database): Promise<string[]> {
  return (await items(db).selectFrom('items').select('name').orderBy('id').execute()).map(({ name }) => name)
}

let db: Database
let url: string
let remove: () => Promise<void>
beforeEach(async () => {
  if (sqlite === undefined) throw new Error('the list of databases lacks sqlite')
  const opened = await sqlite.openEmpty({ lockWait: 100 })
  db = opened.db
  url = opened.url
  remove = opened.close
  await migrate(db, testMigrations)
})
afterEach(() => remove())

describe('group commit', () => {
  it('stores all that waits with one commit, in the order of the calls, and answers in that order', async () => {
    const before = statementCount(db).commits
    const answered: string[] = []
    const store = async (name: string): Promise<void> => {
      await transaction(db, (db) => add(db, name))
      answered.push(name)
    }
    await Promise.all(['c', 'a', 'b', 'd'].map(store))
    expect(await names(db)).toEqual(['c', 'a', 'b', 'd'])
    expect(answered).toEqual(['c', 'a', 'b', 'd'])
    expect(statementCount(db).commits - before).toBe(1)
  })

  it('shows a work what the works before it did, and nothing of those that failed', async () => {
    const seen = await Promise.all([
      transaction(db, (db) => add(db, 'a')),
      transaction(db, async (db) => {
        await add(db, 'b')
        throw new Error('no')
      }).catch(() => 'failed'),
      transaction(db, names),
    ])
    expect(seen.slice(1)).toEqual(['failed', ['a']])
  })

  it('answers nobody before the commit, not even with a failure', async () => {
    const states: boolean[] = []
    const failing = transaction(db, async () => {
      throw new Error('no')
    }).catch(async () => states.push((await names(db)).includes('last')))
    await Promise.all([failing, transaction(db, (db) => add(db, 'last'))])
    expect(states).toEqual([true])
  })

  it('refuses at once what would wait behind thousands, and does what waits', async () => {
    const waiting = Array.from({ length: 5_000 }, async (_, index) => transaction(db, async () => index))
    await expect(transaction(db, async () => 'late')).rejects.toThrow('too many transactions wait')
    expect((await Promise.all(waiting)).at(-1)).toBe(4_999)
    expect(await transaction(db, async () => 'again')).toBe('again')
  })

  it('bounds the size of a group', async () => {
    const before = statementCount(db).commits
    await Promise.all(Array.from({ length: 300 }, (_, index) => transaction(db, (db) => add(db, `n${index}`))))
    expect(statementCount(db).commits - before).toBe(3)
    expect(await names(db)).toHaveLength(300)
  })

  it('rejects all when the commit fails, and goes on with the next group', async () => {
    await transaction(db, (db) =>
      sql`create table child (parent integer references items (id) deferrable initially deferred)`.execute(items(db)),
    )
    const orphan = (db: Database) => sql`insert into child values (99)`.execute(items(db))
    const results = await Promise.allSettled([transaction(db, (db) => add(db, 'a')), transaction(db, orphan)])
    for (const result of results) expect(result).toMatchObject({ reason: expect.any(DatabaseUnavailable) })
    await expect(transaction(db, orphan)).rejects.toBeInstanceOf(DatabaseUnavailable)
    await transaction(db, (db) => add(db, 'b'))
    expect(await names(db)).toEqual(['b'])
  })

  it('rejects all when a work ends the transaction itself, and stores nothing of it', async () => {
    const results = await Promise.allSettled([
      transaction(db, (db) => add(db, 'a')),
      transaction(db, (db) => sql`rollback`.execute(items(db))),
      transaction(db, (db) => add(db, 'b')),
    ])
    for (const result of results) expect(result).toMatchObject({ reason: expect.any(DatabaseUnavailable) })
    await transaction(db, (db) => add(db, 'c'))
    expect(await names(db)).toEqual(['c'])
  })

  it('survives a full disk', async () => {
    const limit = (pages: number) => sql`pragma max_page_count = ${sql.lit(pages)}`
    await transaction(db, (db) => limit(1).execute(items(db)))
    const big = (db: Database) =>
      items(db)
        .insertInto('items')
        .values({ name: 'big', content: Buffer.alloc(100_000) })
        .execute()
    const results = await Promise.allSettled([transaction(db, (db) => add(db, 'a')), transaction(db, big)])
    expect(results[1]).toMatchObject({ status: 'rejected' })
    await transaction(db, (db) => limit(1_000_000).execute(items(db)))
    await transaction(db, big)
    expect(await names(db)).toEqual(results[0].status === 'fulfilled' ? ['a', 'big'] : ['big'])
  })
})

describe('a work that awaits more than statements', () => {
  const waits: Record<string, () => Promise<unknown>> = {
    'a timer': () => pause(5),
    'an immediate': () => new Promise(setImmediate),
    'a file': () => readFile('/dev/null'),
    'a digest': () => crypto.subtle.digest('SHA-256', new Uint8Array(1)),
    'nothing that ever comes': () => new Promise(() => {}),
  }
  it.each(Object.keys(waits))('is stopped when it waits for %s, and only it', async (what) => {
    let late: Promise<unknown> | undefined
    const offender = async (db: Database): Promise<void> => {
      await add(db, 'offender')
      await waits[what]?.()
      late = add(db, 'late')
      await late
    }
    const results = await Promise.allSettled([
      transaction(db, (db) => add(db, 'a')),
      transaction(db, offender),
      transaction(db, (db) => add(db, 'b')),
      transaction(db, offender),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected'])
    expect(results[1]).toMatchObject({ reason: { message: expect.stringContaining('not a statement') } })
    expect(await names(db)).toEqual(['a', 'b'])
    await pause(10)
    if (late !== undefined) await expect(late).rejects.toThrow('had ended')
    expect(await names(db)).toEqual(['a', 'b'])
  })

  it('is stopped when it is alone', async () => {
    const offender = async (db: Database): Promise<void> => {
      await add(db, 'offender')
      await pause(1)
    }
    await expect(transaction(db, offender)).rejects.toThrow('not a statement')
    expect(await names(db)).toEqual([])
  })

  it('may take any number of steps that wait for nothing', async () => {
    const long = async (db: Database): Promise<void> => {
      for (let step = 0; step < 2_000; step++) await Promise.resolve()
      await add(db, 'a')
    }
    await transaction(db, long)
    expect(await names(db)).toEqual(['a'])
  })

  it('keeps nobody else from reading meanwhile', async () => {
    const offender = transaction(db, () => pause(20)).catch((error: Error) => error.message)
    await new Promise(setImmediate)
    expect(await names(db)).toEqual([])
    expect(await offender).toContain('not a statement')
  })
})

describe('a database that another process has locked', () => {
  it('is waited for, while reads go on', async () => {
    const other = new Sqlite(url)
    other.exec('begin immediate')
    const stored = transaction(db, (db) => add(db, 'a'))
    await pause(30)
    expect(await names(db)).toEqual([])
    other.exec('rollback')
    await stored
    expect(await names(db)).toEqual(['a'])
    other.close()
  })

  it('is given up after a time, for all that wait, and taken up again when it is free', async () => {
    const other = new Sqlite(url)
    other.exec('begin immediate')
    const results = await Promise.allSettled(['a', 'b'].map((name) => transaction(db, (db) => add(db, name))))
    for (const result of results) expect(result).toMatchObject({ reason: expect.any(DatabaseUnavailable) })
    await expect(transaction(db, (db) => add(db, 'c'))).rejects.toBeInstanceOf(DatabaseUnavailable)
    other.exec('commit')
    await transaction(db, (db) => add(db, 'd'))
    expect(await names(db)).toEqual(['d'])
    other.close()
  })
})

describe('what another process changes', () => {
  it('a column more: rows keep their members', async () => {
    await transaction(db, (db) => add(db, 'a'))
    const both = () =>
      sql`select l.*, r.name as again from items l inner join items r on r.id = l.id`.execute(items(db))
    const [before] = (await both()).rows
    const other = new Sqlite(url)
    other.exec(`alter table items add column colour text default 'red'`)
    other.close()
    expect((await both()).rows).toEqual([{ ...(before as object), colour: 'red' }])
  })
})

describe('the file', () => {
  it('can be read by its owner only', () => {
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(url + suffix).mode & 0o777).toBe(0o600)
  })

  it('is kept by a durable log', async () => {
    const pragmas = await transaction(db, async (db) => [
      (await sql`pragma journal_mode`.execute(items(db))).rows,
      (await sql`pragma synchronous`.execute(items(db))).rows,
      (await sql`pragma foreign_keys`.execute(items(db))).rows,
    ])
    expect(pragmas).toEqual([[{ journal_mode: 'wal' }], [{ synchronous: 2 }], [{ foreign_keys: 1 }]])
  })

  it('has a path: other addresses are refused', () => {
    expect(() => openDatabase('mysql://localhost/x')).toThrow('postgres://')
    expect(() => openDatabase(':memory:')).toThrow('path')
    expect(() => openDatabase('')).toThrow('path')
  })
})
