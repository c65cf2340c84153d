import type { Command } from 'commander'
import { migrate, pendingMigrations } from '../../db/migrate.ts'
import { closeDatabase } from '../../db/open.ts'
import { action } from '../cli.ts'
import { openConfiguredAlone } from '../database.ts'
import { refuseLost } from '../session.ts'

/** The server does the same when it starts; this is for those who want it apart. */
export function define(command: Command): void {
  command.option('--contract', 'also what takes something away that older versions use: only when none runs any more')
  action(command, async (cli, options: { contract?: true }) => {
    const config = cli.settings()
    refuseLost(config)
    const db = await openConfiguredAlone(config)
    try {
      const applied = await migrate(db, undefined, options.contract ? { contract: true } : {})
      const left = await pendingMigrations(db)
      const done = applied.length === 0 ? 'the database is up to date\n' : `applied ${applied.join(', ')}\n`
      const later = `left until no older version runs: ${left.join(', ')} (countersign migrate --contract)\n`
      cli.show({ applied, ...(left.length > 0 ? { left } : {}) }, left.length === 0 ? done : `${done}${later}`)
    } finally {
      await closeDatabase(db)
    }
  })
}
