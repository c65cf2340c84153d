import { rmSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { RawBuilder } from 'kysely'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { databaseFolder } from './scratch.ts'

/** Runs `work` on a copy of an SQLite database into which somebody has written past the program, foreign keys off. */
export async function onCopy<T>(
  url: string,
  statements: RawBuilder<unknown>[],
  work: (copy: Database) => Promise<T>,
): Promise<T> {
  const folder = databaseFolder('countersign-copy-')
  const file = join(folder, 'copy.sqlite')
  const original = new Sqlite(url, { readonly: true })
  original.prepare('vacuum into ?').run(file)
  original.close()
  const copy = openDatabase(file)
  try {
    const raw = new Sqlite(file)
    raw.pragma('foreign_keys = off')
    for (const statement of statements) {
      const { sql, parameters } = statement.compile(withTables<unknown>(copy))
      raw.prepare(sql).run(...parameters)
    }
    raw.close()
    return await work(copy)
  } finally {
    await closeDatabase(copy)
    rmSync(folder, { recursive: true, force: true })
  }
}
