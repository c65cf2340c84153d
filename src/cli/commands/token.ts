import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/token.ts'
import { table, time } from '../table.ts'

/** What lets a program or the command line speak for a user. */
export function define(token: Command): void {
  action(
    token
      .command('create')
      .description('make a token of your own: --user NAME asks for your password. It is shown once')
      .option('--name <name>', 'what you know it by', 'command line')
      .option('--expires <time>', 'like 90d; without it, it does not expire'),
    create,
  )
  action(
    token.command('ls').description('list tokens: yours, or those you administer').option('--of <user>', 'of one user'),
    list,
  )
  action(token.command('revoke <uuid>').description('end a token'), async (cli, uuid: string) => {
    await cli.call(operations.revoke, { uuid })
    cli.show({}, `token ${uuid} is revoked\n`)
  })
}

async function create(cli: Cli, { name, expires }: { name: string; expires?: string }): Promise<void> {
  const made = await cli.call(operations.create, { name, ...(expires === undefined ? {} : { expires }) })
  cli.show(made, `${made.text}\n`)
  cli.note('keep it: it is not shown again. Give it as --token-file FILE or in COUNTERSIGN_TOKEN')
}

async function list(cli: Cli, { of }: { of?: string }): Promise<void> {
  const tokens = await cli.call(operations.list, of === undefined ? {} : { user: of })
  const rows = tokens.map((view) => [
    view.uuid,
    view.user,
    view.name,
    time(view.createdAt),
    time(view.expiresAt),
    time(view.revokedAt),
  ])
  cli.show(tokens, table(['uuid', 'user', 'name', 'made', 'expires', 'revoked'], rows))
}
