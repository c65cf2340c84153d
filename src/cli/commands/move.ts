import type { Command } from 'commander'
import { requireStopped } from '../backup/atRest.ts'
import { moveTo } from '../backup/move.ts'
import { action } from '../cli.ts'
import { progress } from '../progress.ts'

/** From the one file to a database server. */
export function define(command: Command): void {
  action(
    command.requiredOption('--to <url>', 'an empty PostgreSQL database, postgres://…; its password also in PGPASSWORD'),
    async (cli, { to }: { to: string }) => {
      const config = cli.settings()
      await requireStopped(config, 'and move then')
      const moved = await progress(moveTo(config, to))
      const lines = [
        `${moved.rows} rows of ${moved.tables} tables are in the new database, each as it was here; the audit chain and the records agree there`,
        `${moved.from} is ${moved.kept} now, so that no server takes it up again, and as it was: keep it until you are content`,
        'next: set DATABASE_URL (databaseUrl in the configuration) to the new database, keep the data folder with its key, and start the server',
      ]
      cli.show(moved, `${lines.join('\n')}\n`)
    },
  )
}
