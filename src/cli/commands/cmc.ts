import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/cmc.ts'
import { fields, table } from '../table.ts'
import { headings, rowOf } from './eab.ts'

/** Shared secrets with which clients of CMC prove who they are: RFC 10002 section 6.2. */
export function define(cmc: Command): void {
  action(
    cmc
      .command('create')
      .description(
        'make an identification and its shared secret, shown once. You approve nothing that is asked with it',
      )
      .requiredOption('--profile <name>', 'whose clients it is for')
      .option('--identification <name>', 'by what the client names it; without it, one is made')
      .option(
        '--identifier <pattern...>',
        'names that may be ordered, as in a profile; without it, those of the profile',
      )
      .option('--single-use', 'good for one certificate; without it, for any number')
      .option('--expires <time>', 'like 30d: until when certificates can be ordered with it')
      .option('--note <text>', 'whom it was made for'),
    create,
  )
  action(
    cmc
      .command('ls')
      .description('list the shared secrets of the profiles that you manage')
      .option('--profile <name>', 'of one profile'),
    list,
  )
  action(
    cmc.command('revoke <uuid>').description('end a shared secret; what was asked with it and waits is withdrawn'),
    async (cli, uuid: string) => {
      await cli.call(operations.revoke, { uuid })
      cli.show({}, `shared secret ${uuid} is revoked\n`)
    },
  )
}

interface Create {
  profile: string
  identification?: string
  identifier?: string[]
  singleUse?: boolean
  expires?: string
  note?: string
}

async function create(cli: Cli, { identifier, ...given }: Create): Promise<void> {
  const input = { ...given, ...(identifier === undefined ? {} : { identifiers: identifier }) }
  const { secret, view } = await cli.call(operations.create, input)
  const shown = { identification: view.name, secret, uuid: view.uuid, profile: view.profile }
  const lines: [string, string][] = [
    ['Identification', view.name],
    ['Shared secret', secret],
    ['Profile', view.profile],
  ]
  cli.show(shown, fields(lines))
  cli.note('hand both over: the shared secret is not shown again')
}

async function list(cli: Cli, { profile }: { profile?: string }): Promise<void> {
  const secrets = await cli.call(operations.list, profile === undefined ? {} : { profile })
  cli.show(secrets, table(headings('identification'), secrets.map(rowOf)))
}
