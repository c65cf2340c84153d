import { migrate } from '../../src/db/migrate.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { testMigrations } from './testTables.ts'

/** Bundled, with a URL as its argument: says that it is there, waits for a line, migrates, and prints what it applied as JSON. */
process.stdout.write('ready\n')
await new Promise((resolve) => process.stdin.once('data', resolve))
const db = openDatabase(process.argv[2] ?? '')
const applied = await migrate(db, testMigrations)
await closeDatabase(db)
process.stdout.write(`${JSON.stringify(applied)}\n`)
process.stdin.destroy()
