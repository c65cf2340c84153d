import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contracting, type Migration } from '../../../migrations/columns.ts'
import { migrations } from '../../../migrations/index.ts'
import { migrate, newerMigrations, pendingMigrations } from '../../../src/db/migrate.ts'
import { closeDatabase, type Database, openDatabase } from '../../../src/db/open.ts'
import { withTables } from '../../../src/db/tables.ts'
import { transaction } from '../../../src/db/transaction.ts'
import { bundleProgram } from '../../helpers/bundle.ts'
import { databases } from '../../helpers/databases.ts'
import { type TestTables, testMigrations } from '../../helpers/testTables.ts'

const all = Object.keys(testMigrations)
const items = (db: Database) => withTables<TestTables>(db)

describe.each(databases)('migrations on $name', ({ openEmpty }) => {
  let db: Database
  let url: string
  let remove: () => Promise<void>
  beforeEach(async () => {
    const opened = await openEmpty()
    db = opened.db
    url = opened.url
    remove = opened.close
  })
  afterEach(() => remove())

  it('run once, in the order of their names', async () => {
    const backwards = Object.fromEntries(Object.entries(testMigrations).reverse())
    expect(await pendingMigrations(db, backwards)).toEqual(all)
    expect(await migrate(db, backwards)).toEqual(all)
    expect(await pendingMigrations(db, testMigrations)).toEqual([])
    expect(await migrate(db, testMigrations)).toEqual([])
    expect(await items(db).selectFrom('items').selectAll().execute()).toEqual([])
  })

  it('go on where an older program stopped', async () => {
    const [first = '', ...later] = all
    const older = Object.fromEntries(Object.entries(testMigrations).slice(0, 1))
    expect(await migrate(db, older)).toEqual([first])
    expect(await pendingMigrations(db, testMigrations)).toEqual(later)
    expect(await migrate(db, testMigrations)).toEqual(later)
  })

  it('leave nothing of one that fails, and keep those before it', async () => {
    const failing = {
      '0001-items': testMigrations['0001-items'] ?? (async () => {}),
      '0002-broken': async (db: Parameters<NonNullable<(typeof testMigrations)[string]>>[0]) => {
        await sql`create table half (id integer)`.execute(db)
        await sql`create table items (id integer)`.execute(db)
      },
    }
    await expect(migrate(db, failing)).rejects.toThrow(/items/)
    expect(await pendingMigrations(db, failing)).toEqual(['0002-broken'])
    await expect(sql`select * from half`.execute(items(db))).rejects.toThrow(/half/)
  })

  it('of a newer program are refused, and nothing is changed', async () => {
    const newer = Object.fromEntries(
      Object.entries(testMigrations).map(([name, step]) => [name, contracting((db, columns) => step(db, columns))]),
    )
    await migrate(db, newer)
    const older = Object.fromEntries(Object.entries(testMigrations).slice(0, 1))
    await expect(pendingMigrations(db, older)).rejects.toThrow('newer than this program')
    await expect(migrate(db, { ...older, '0009-other': async () => {} })).rejects.toThrow(
      /newer.*0002-one-leader, 0003-notes/,
    )
    expect(await pendingMigrations(db, testMigrations)).toEqual([])
  })

  it('of a newer program that only adds are no reason not to start', async () => {
    await migrate(db, testMigrations)
    const older = Object.fromEntries(Object.entries(testMigrations).slice(0, 1))
    expect(await pendingMigrations(db, older)).toEqual([])
    expect(await migrate(db, older)).toEqual([])
    expect(await newerMigrations(db, older)).toEqual(['0002-one-leader', '0003-notes'])
    expect(await newerMigrations(db, testMigrations)).toEqual([])
  })

  it('that a program wrote down that knew no difference are refused where they are not known', async () => {
    await migrate(db, testMigrations)
    await transaction(db, (db) => sql`update migrations set kind = null where name = '0003-notes'`.execute(items(db)))
    const older = Object.fromEntries(Object.entries(testMigrations).slice(0, 2))
    await expect(migrate(db, older)).rejects.toThrow(/newer.*0003-notes/)
  })

  it('go on over the bookkeeping of such a program', async () => {
    await transaction(db, (db) =>
      sql`create table migrations (name text primary key, applied_at ${sql.raw(db.dialect === 'postgres' ? 'bigint' : 'integer')} not null)`.execute(
        items(db),
      ),
    )
    expect(await migrate(db, testMigrations)).toEqual(all)
  })

  it('that take something away wait on PostgreSQL until they are asked for, and do not hold up later ones', async () => {
    const before = Object.fromEntries(Object.entries(testMigrations).slice(0, 1))
    await migrate(db, before)
    const narrower = contracting(async (db) => {
      await db.schema.alterTable('items').dropColumn('content').execute()
    })
    const known: Record<string, Migration> = { ...testMigrations, '0001-narrower': narrower }
    const served = await migrate(db, known)
    expect(served.includes('0001-narrower')).toBe(db.dialect === 'sqlite')
    expect(served).toContain('0003-notes')
    await migrate(db, known, { contract: true })
    expect(await pendingMigrations(db, known)).toEqual([])
    await expect(sql`select content from items`.execute(items(db))).rejects.toThrow(/content/)
    await expect(migrate(db, testMigrations)).rejects.toThrow(/newer.*0001-narrower/)
  })

  it('are applied once by two handles that start at once', async () => {
    const other = openDatabase(url)
    const [one, two] = await Promise.all([migrate(db, testMigrations), migrate(other, testMigrations)])
    await closeDatabase(other)
    expect([...one, ...two].sort()).toEqual(all)
  })

  it('are applied once by two processes that start at once', async () => {
    const program = await bundleProgram(new URL('../../helpers/migrateProcess.ts', import.meta.url))
    const processes = [1, 2].map(() => startProcess(program.path, url))
    await Promise.all(processes.map((child) => once(child.stdout, 'readable')))
    for (const child of processes) child.stdin.write('go\n')
    const answers = await Promise.all(processes.map(({ stdout }) => text(stdout)))
    program.remove()
    const applied = answers.map((answer) => JSON.parse(answer.split('\n')[1] ?? '') as string[])
    expect(applied.flat().sort()).toEqual(all)
    expect(await pendingMigrations(db, testMigrations)).toEqual([])
    await transaction(db, (db) => items(db).insertInto('items').values({ name: 'a' }).execute())
  })

  it('of the product apply', async () => {
    expect(await migrate(db)).toEqual(Object.keys(migrations).sort())
    expect(await pendingMigrations(db)).toEqual([])
  })
})

function startProcess(path: string, url: string): ChildProcessByStdio<Writable, Readable, null> {
  return spawn(process.execPath, [path, url], { stdio: ['pipe', 'pipe', 'inherit'] })
}
