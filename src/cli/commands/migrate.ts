import type { Command } from 'commander'
import { migrate } from '../../db/migrate.ts'
import { closeDatabase } from '../../db/open.ts'
import { action } from '../cli.ts'
import { openConfigured } from '../database.ts'

/** The server does the same when it starts; this is for those who want it apart. */
export function define(command: Command): void {
  action(command, async (cli) => {
    const db = openConfigured(cli.settings())
    try {
      const applied = await migrate(db)
      cli.show({ applied }, applied.length === 0 ? 'the database is up to date\n' : `applied ${applied.join(', ')}\n`)
    } finally {
      await closeDatabase(db)
    }
  })
}
