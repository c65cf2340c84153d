import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, type Database, type OpenOptions, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { type DatabaseProxy, databaseProxy } from './databaseProxy.ts'
import { databases } from './databases.ts'
import { type TestTables, testMigrations } from './testTables.ts'

/** A real PostgreSQL behind a network that fails: `db` goes through it, anew for each test, `direct` past it. */
export interface Proxied {
  url: string
  direct: Database
  proxy: DatabaseProxy
  db: Database
}

/** Its members are there once a test runs; `items` is empty then. */
export function useProxiedDatabase(options: OpenOptions): Proxied {
  const used = {} as Proxied
  let remove: () => Promise<void>
  beforeAll(async () => {
    const opened = await databases.find(({ name }) => name === 'postgres')?.openEmpty()
    if (!opened) throw new Error('no PostgreSQL')
    used.url = opened.url
    used.direct = opened.db
    remove = opened.close
    await migrate(used.direct, testMigrations)
  })
  afterAll(() => remove())
  beforeEach(async () => {
    await transaction(used.direct, (db) => withTables<TestTables>(db).deleteFrom('items').execute())
    used.proxy = await databaseProxy(used.url)
    used.db = openDatabase(used.proxy.url, options)
  })
  afterEach(async () => {
    used.proxy.heal()
    await closeDatabase(used.db)
    await used.proxy.close()
  })
  return used
}
