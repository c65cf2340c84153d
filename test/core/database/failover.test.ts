import { sql } from 'kysely'
import pg from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/db/migrate.ts'
import { closeDatabase, type Database, openDatabase } from '../../../src/db/open.ts'
import { serversOf } from '../../../src/db/servers.ts'
import { withTables } from '../../../src/db/tables.ts'
import { DatabaseUnavailable, transaction } from '../../../src/db/transaction.ts'
import type { DatabaseProxy } from '../../helpers/databaseProxy.ts'
import { databases } from '../../helpers/databases.ts'
import { useProxiedDatabase } from '../../helpers/proxiedDatabase.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

/** A real PostgreSQL behind a network that fails. */
const used = useProxiedDatabase({ connections: 3, answerWithin: 300 })
let proxy: DatabaseProxy
let db: Database
let direct: Database
let url: string
beforeEach(() => {
  ;({ proxy, db, direct, url } = used)
})

const items = (db: Database) => withTables<TestTables>(db)
const add = (db: Database, name: string) => items(db).insertInto('items').values({ name }).execute()
const names = async (db: Database) =>
  (await items(db).selectFrom('items').select('name').orderBy('name').execute()).map(({ name }) => name)

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement)
  await client.end()
}

describe('a network that breaks', () => {
  it('before COMMIT has reached the server: nothing is stored, and nobody is told that it was', async () => {
    await names(db)
    proxy.breakCommit('before')
    await expect(transaction(db, (db) => add(db, 'a'))).rejects.toThrow(/outcome of the commit is unknown/)
    expect(await names(direct)).toEqual([])
    await transaction(db, (db) => add(db, 'a'))
    expect(await names(db)).toEqual(['a'])
  })

  it('after COMMIT: it is stored once, its caller is told that nobody knows, and whoever asks then finds it', async () => {
    let runs = 0
    const work = (db: Database) => {
      runs++
      return add(db, 'a')
    }
    proxy.breakCommit('after')
    await expect(transaction(db, work)).rejects.toBeInstanceOf(DatabaseUnavailable)
    expect(runs).toBe(1)
    expect(await names(db)).toEqual(['a'])
  })

  it('in the middle of a transaction: the work runs again, and is stored once', async () => {
    let runs = 0
    await transaction(db, async (db) => {
      await add(db, 'a')
      if (++runs === 1) proxy.cut()
      await add(db, 'b')
    })
    expect(runs).toBe(2)
    expect(await names(direct)).toEqual(['a', 'b'])
  })

  it('between statements: nobody notices', async () => {
    await Promise.all([names(db), names(db), names(db)])
    proxy.cut()
    expect(await Promise.all([names(db), names(db), names(db)])).toEqual([[], [], []])
  })
})

describe('a network that is silent', () => {
  it('hangs nobody: a read, a transaction and its COMMIT end in time, and go on when it is back', async () => {
    await Promise.all([names(db), names(db), names(db)])
    let inside = () => {}
    const reached = new Promise<void>((resolve) => {
      inside = resolve
    })
    let silenced = () => {}
    const silence = new Promise<void>((resolve) => {
      silenced = resolve
    })
    const committing = transaction(db, async (db) => {
      await add(db, 'a')
      inside()
      await silence
    })
    await reached
    proxy.silence()
    silenced()
    const began = performance.now()
    const outcomes = await Promise.allSettled([committing, names(db), transaction(db, (db) => add(db, 'b'))])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    for (const outcome of outcomes)
      expect(outcome.status === 'rejected' && outcome.reason).toBeInstanceOf(DatabaseUnavailable)
    expect(performance.now() - began).toBeLessThan(15_000)
    proxy.heal()
    // The rest of the pool is as silent: none of it is tried.
    const again = performance.now()
    await transaction(db, (db) => add(db, 'c'))
    expect(performance.now() - again).toBeLessThan(2_000)
    expect(await names(db)).toContain('c')
  })
})

describe('a server that refuses', () => {
  it('is unavailability while it is gone, and no more when it is back', async () => {
    proxy.refuse(true)
    proxy.cut()
    await expect(names(db)).rejects.toBeInstanceOf(DatabaseUnavailable)
    await expect(transaction(db, (db) => add(db, 'a'))).rejects.toBeInstanceOf(DatabaseUnavailable)
    proxy.heal()
    await transaction(db, (db) => add(db, 'a'))
    expect(await names(db)).toEqual(['a'])
  })

  it('a statement that takes too long is ended there, and is unavailability', async () => {
    await expect(sql`select pg_sleep(20)`.execute(items(db))).rejects.toBeInstanceOf(DatabaseUnavailable)
    await expect(transaction(db, (db) => sql`select pg_sleep(20)`.execute(items(db)))).rejects.toBeInstanceOf(
      DatabaseUnavailable,
    )
    const { rows } = await sql<{ n: number }>`select count(*) as n from pg_stat_activity
      where query like '%pg_sleep(20)%' and state = 'active' and pid <> pg_backend_pid()`.execute(items(direct))
    expect(rows).toEqual([{ n: 0 }])
  })

  it('but a migration may take longer', async () => {
    const slow = {
      ...testMigrations,
      '0009-slow': async (db: Parameters<NonNullable<(typeof testMigrations)[string]>>[0]) => {
        await sql`select pg_sleep(0.8)`.execute(db)
      },
    }
    expect(await migrate(db, slow)).toEqual(['0009-slow'])
    await transaction(direct, (db) => sql`delete from migrations where name = '0009-slow'`.execute(items(db)))
  })

  it('no disk, no memory, no lock in time: unavailability, and not tried again at once', async () => {
    for (const code of ['53100', '53200', '58030', '55P03']) {
      let runs = 0
      const work = (db: Database) => {
        runs++
        return sql`do $$ begin raise exception 'trouble' using errcode = ${sql.raw(`'${code}'`)}; end $$`.execute(
          items(db),
        )
      }
      await expect(transaction(db, work)).rejects.toBeInstanceOf(DatabaseUnavailable)
      expect(runs).toBe(1)
    }
  })

  it('more connections than the server has: unavailability, and the process goes on', async () => {
    const [role, password] = ['crowded', 'x']
    await administer(`create role ${role} login password '${password}' connection limit 1`)
    await administer(`grant all on all tables in schema public to ${role}`)
    const limited = openDatabase(url.replace('postgres@', `${role}:${password}@`), { connections: 2 })
    const other = new pg.Client({ connectionString: url.replace('postgres@', `${role}:${password}@`) })
    await other.connect()
    await expect(names(limited)).rejects.toBeInstanceOf(DatabaseUnavailable)
    await other.end()
    expect(await names(limited)).toEqual([])
    await closeDatabase(limited)
    await administer(`drop owned by ${role}; drop role ${role}`)
  })
})

describe('several servers', () => {
  const own = () => new URL(url).pathname.slice(1)

  it('the first that takes writes is used, wherever it stands', async () => {
    const twice = `postgres://postgres@127.0.0.1:1,127.0.0.1:${proxy.port}/${own()}?target_session_attrs=read-write`
    const both = openDatabase(twice)
    expect(await names(both)).toEqual([])
    proxy.cut()
    await transaction(both, (db) => add(db, 'a'))
    expect(await names(both)).toEqual(['a'])
    await closeDatabase(both)
  })

  it('a database that was set to read only is unavailable: nobody writes past who froze it', async () => {
    const frozen = await databases.find(({ name }) => name === 'postgres')?.openEmpty()
    if (!frozen) throw new Error('no PostgreSQL')
    await administer(`alter database ${new URL(frozen.url).pathname.slice(1)} set default_transaction_read_only = on`)
    await expect(transaction(frozen.db, names)).rejects.toThrow(/unavailable/)
    await frozen.close()
  })

  it('are written as libpq reads them', () => {
    expect(serversOf('postgres://u:p%40@one:5432,other/name')).toEqual([
      'postgres://u:p%40@one:5432/name',
      'postgres://u:p%40@other/name',
    ])
    expect(serversOf('postgres:///name?host=/a,/b&port=1,2&sslmode=require')).toEqual([
      'postgres:///name?host=%2Fa&port=1&sslmode=require',
      'postgres:///name?host=%2Fb&port=2&sslmode=require',
    ])
    expect(serversOf('postgres:///name?host=a,b&port=1')).toEqual([
      'postgres:///name?host=a&port=1',
      'postgres:///name?host=b&port=1',
    ])
    expect(serversOf('postgres://a,b/name?target_session_attrs=primary')).toEqual([
      'postgres://a/name',
      'postgres://b/name',
    ])
    expect(serversOf('postgres://[::1]:5432/name?sslmode=require')).toEqual([
      'postgres://[::1]:5432/name?sslmode=require',
    ])
    expect(() => serversOf('postgres://a,b/name?target_session_attrs=any')).toThrow(/read-write/)
    expect(() => serversOf('postgres:///n?host=a,b&port=1,2,3')).toThrow(/port/)
  })
})

describe('tables that a newer program has changed meanwhile', () => {
  it('nobody who writes notices', async () => {
    const first = (db: Database) => items(db).selectFrom('items').selectAll().orderBy('name').executeTakeFirst()
    await transaction(db, (db) => add(db, 'a'))
    let come = 0
    let go = () => {}
    const all = new Promise<void>((resolve) => {
      go = resolve
    })
    const held = () =>
      transaction(db, async (db) => {
        await first(db)
        if (++come === 3) go()
        await all
      })
    await Promise.all([held(), held(), held()])
    await transaction(direct, (db) => sql`alter table items add column later bigint`.execute(items(db)))
    let runs = 0
    const row = await transaction(db, async (db) => {
      runs++
      return first(db)
    })
    expect(row).toMatchObject({ name: 'a', later: null })
    expect(runs).toBe(2)
    await transaction(direct, (db) => sql`alter table items drop column later`.execute(items(db)))
  })
})
