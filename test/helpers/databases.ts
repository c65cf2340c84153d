import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { inject } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, type Database, type Dialect, type OpenOptions, openDatabase } from '../../src/db/open.ts'
import { databaseFolder } from './scratch.ts'

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
  { name: 'sqlite', open: openSqlite, openEmpty: emptySqlite },
  { name: 'postgres', open: openPostgres, openEmpty: emptyPostgres },
]

/** What the migrations make of an empty database, once in a worker: each migrated database is a copy. */
let sqliteTemplate: Promise<Buffer> | undefined
let postgresTemplate: Promise<string> | undefined

/** For tests that are about the wire and not about what is stored. */
export async function openSqlite(options?: OpenOptions): Promise<OpenedDatabase> {
  sqliteTemplate ??= makeSqliteTemplate()
  return sqlite(await sqliteTemplate, options)
}

function emptySqlite(options?: OpenOptions): Promise<OpenedDatabase> {
  return sqlite(undefined, options)
}

async function sqlite(content: Buffer | undefined, options: OpenOptions | undefined): Promise<OpenedDatabase> {
  const folder = databaseFolder('countersign-')
  const url = join(folder, 'test.sqlite')
  if (content !== undefined) writeFileSync(url, content, { mode: 0o600 })
  const db = openDatabase(url, { guarded: true, ...options })
  const close = async (): Promise<void> => {
    await closeDatabase(db)
    rmSync(folder, { recursive: true, force: true })
  }
  return { db, url, close }
}

async function makeSqliteTemplate(): Promise<Buffer> {
  const empty = await emptySqlite()
  await migrate(empty.db)
  // Closing brings all of the write-ahead log into the file.
  await closeDatabase(empty.db)
  const content = readFileSync(empty.url)
  await empty.close()
  return content
}

export async function openPostgres(options?: OpenOptions): Promise<OpenedDatabase> {
  postgresTemplate ??= makePostgresTemplate()
  return postgres(await postgresTemplate, options)
}

function emptyPostgres(options?: OpenOptions): Promise<OpenedDatabase> {
  return postgres('template0', options)
}

async function postgres(template: string, options: OpenOptions | undefined): Promise<OpenedDatabase> {
  const { name, url } = await createPostgres('test', template)
  const db = openDatabase(url, { guarded: true, ...options })
  const close = async (): Promise<void> => {
    await closeDatabase(db)
    await administer(`drop database ${name} with (force)`)
  }
  return { db, url, close }
}

/** Nobody may be connected to it when it is copied. */
async function makePostgresTemplate(): Promise<string> {
  const { name, url } = await createPostgres('template', 'template0')
  const db = openDatabase(url)
  await migrate(db)
  await closeDatabase(db)
  return name
}

async function createPostgres(kind: string, template: string): Promise<{ name: string; url: string }> {
  const name = `${kind}_${process.pid}_${crypto.randomUUID().slice(0, 8)}`
  await administer(`create database ${name} template ${template} strategy file_copy`)
  return { name, url: postgresServer().replace('/postgres?', `/${name}?`) }
}

function postgresServer(): string {
  const server = inject('postgresUrl')
  if (server === '') throw new Error('this test project starts no PostgreSQL (test/helpers/postgres.ts)')
  return server
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgresServer() })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
