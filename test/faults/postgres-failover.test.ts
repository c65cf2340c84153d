import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { DatabaseUnavailable, transaction } from '../../src/db/transaction.ts'
import { type Cluster, startCluster } from '../helpers/cluster.ts'
import { type TestTables, testMigrations } from '../helpers/testTables.ts'
import { until } from '../helpers/until.ts'

/** A primary and a standby that has each commit before anybody hears of it. */
let primary: Cluster
let standby: Cluster
let db: Database
let onStandby: Database

const items = (db: Database) => withTables<TestTables>(db)
const names = async (db: Database) =>
  (await items(db).selectFrom('items').select('name').execute()).map(({ name }) => name)

async function administer(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

beforeAll(async () => {
  primary = await startCluster()
  standby = await startCluster({ follows: primary.url })
  const folder = ({ url }: Cluster) => new URL(url).searchParams.get('host') ?? ''
  db = openDatabase(
    `postgres://postgres@localhost/postgres?host=${encodeURIComponent(`${folder(standby)},${folder(primary)}`)}`,
  )
  onStandby = openDatabase(standby.url)
  await migrate(db, testMigrations)
  await administer(primary.url, "alter system set synchronous_standby_names = '*'", 'select pg_reload_conf()')
}, 120_000)
afterAll(async () => {
  await closeDatabase(db)
  await closeDatabase(onStandby)
  await standby.stop()
  await primary.stop()
})

it('the standby takes over: what was acknowledged is there, once, and before that nobody is told anything old', {
  timeout: 120_000,
}, async () => {
  const stored = new Set<string>()
  const unknown = new Set<string>()
  let refused = 0
  let over = false
  const write = async (writer: number) => {
    for (let number = 0; !over; number++) {
      const name = `${writer}-${number}`
      try {
        await transaction(db, (db) => items(db).insertInto('items').values({ name }).execute())
        stored.add(name)
      } catch (error) {
        if (!(error instanceof DatabaseUnavailable)) throw error
        refused++
        unknown.add(name)
      }
    }
  }
  const writers = Promise.all([0, 1, 2, 3].map(write))
  writers.catch(() => {})
  const grown = async (count: number) => {
    const enough = stored.size + count
    await Promise.race([until('rows', async () => stored.size >= enough || undefined, { every: 5 }), writers])
  }
  await grown(50)
  // A standby answers, and what it says is old: it is no server for a node.
  await expect(names(onStandby)).rejects.toBeInstanceOf(DatabaseUnavailable)
  await expect(transaction(onStandby, names)).rejects.toBeInstanceOf(DatabaseUnavailable)
  await primary.stop()
  await until('a refusal', async () => refused > 0 || undefined)
  await expect(names(db)).rejects.toBeInstanceOf(DatabaseUnavailable)
  await administer(standby.url, 'select pg_promote()')
  await grown(50)
  over = true
  await writers
  const there = await names(db)
  expect(new Set(there).size).toBe(there.length)
  expect([...stored].filter((name) => !there.includes(name))).toEqual([])
  expect(there.filter((name) => !stored.has(name) && !unknown.has(name))).toEqual([])
  const { rows } = await sql<{ standby: boolean }>`select pg_is_in_recovery() as standby`.execute(items(db))
  expect(rows).toEqual([{ standby: false }])
})
