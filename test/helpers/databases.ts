import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { inject } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, type Database, type Dialect, type OpenOptions, openDatabase } from '../../src/db/open.ts'

interface OpenedDatabase {
  db: Database
  /** For a second handle or another process. */
  url: string
  /** Closes the handle and removes the database. */
  close(): Promise<void>
}

interface TestedDatabase {
  name: Dialect
  /** A database of its own, with all migrations applied. */
  open(options?: OpenOptions): Promise<OpenedDatabase>
  /** One without any table. */
  openEmpty(options?: OpenOptions): Promise<OpenedDatabase>
}

/** Every test of the core runs on both: `describe.each(databases)('… on $name', ({ open }) => …)`. */
export const databases: TestedDatabase[] = [
  { name: 'sqlite', open: (options) => migrated(emptySqlite, options), openEmpty: emptySqlite },
  { name: 'postgres', open: (options) => migrated(emptyPostgres, options), openEmpty: emptyPostgres },
]

async function migrated(openEmpty: TestedDatabase['openEmpty'], options?: OpenOptions): Promise<OpenedDatabase> {
  const opened = await openEmpty(options)
  await migrate(opened.db)
  return opened
}

async function emptySqlite(options?: OpenOptions): Promise<OpenedDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'))
  const url = join(folder, 'test.sqlite')
  const db = openDatabase(url, options)
  const close = async (): Promise<void> => {
    await closeDatabase(db)
    rmSync(folder, { recursive: true, force: true })
  }
  return { db, url, close }
}

async function emptyPostgres(options?: OpenOptions): Promise<OpenedDatabase> {
  const server = inject('postgresUrl')
  if (server === '') throw new Error('this test project starts no PostgreSQL (test/helpers/postgres.ts)')
  const name = `test_${process.pid}_${crypto.randomUUID().slice(0, 8)}`
  await administer(server, `create database ${name} template template0`)
  const url = server.replace('/postgres?', `/${name}?`)
  const db = openDatabase(url, options)
  const close = async (): Promise<void> => {
    await closeDatabase(db)
    await administer(server, `drop database ${name} with (force)`)
  }
  return { db, url, close }
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
