import type { Command } from 'commander'
import { action, type Cli } from '../cli.ts'
import type { sharedSecrets } from '../operations/sharedSecret.ts'
import { fields, table } from '../table.ts'
import { headings, rowOf } from './eab.ts'

/** What a protocol's people call the name by which a client names its secret: the option and its column. */
interface Words {
  name: 'identification' | 'reference'
  /** Where the client writes it. */
  where: string
}

type Operations = ReturnType<typeof sharedSecrets>

/** The verbs of shared secrets, with which clients protect their first messages. */
export function defineSharedSecrets(noun: Command, operations: Operations, { name, where }: Words): void {
  action(
    noun
      .command('create')
      .description('make a name and its shared secret, shown once. You approve nothing that is asked with it')
      .requiredOption('--profile <name>', 'whose clients it is for')
      .option(`--${name} <name>`, `by what the client names it${where}; without it, one is made`)
      .option(
        '--identifier <pattern...>',
        'names that may be ordered, as in a profile; without it, those of the profile',
      )
      .option('--single-use', 'good for one certificate; without it, for any number')
      .option('--expires <time>', 'like 30d: until when certificates can be ordered with it')
      .option('--note <text>', 'whom it was made for'),
    (cli, given: Create) => create(cli, operations, name, given),
  )
  action(
    noun
      .command('ls')
      .description('list the shared secrets of the profiles that you manage')
      .option('--profile <name>', 'of one profile'),
    async (cli, { profile }: { profile?: string }) => {
      const secrets = await cli.call(operations.list, profile === undefined ? {} : { profile })
      cli.show(secrets, table(headings(name), secrets.map(rowOf)))
    },
  )
  action(
    noun.command('revoke <uuid>').description('end a shared secret; what was asked with it and waits is withdrawn'),
    async (cli, uuid: string) => {
      await cli.call(operations.revoke, { uuid })
      cli.show({}, `shared secret ${uuid} is revoked\n`)
    },
  )
}

interface Create {
  profile: string
  identification?: string
  reference?: string
  identifier?: string[]
  singleUse?: boolean
  expires?: string
  note?: string
}

async function create(
  cli: Cli,
  operations: Operations,
  name: Words['name'],
  { identifier, identification, reference, ...given }: Create,
): Promise<void> {
  const named = identification ?? reference
  const { secret, view } = await cli.call(operations.create, {
    ...given,
    ...(named === undefined ? {} : { identification: named }),
    ...(identifier === undefined ? {} : { identifiers: identifier }),
  })
  const shown = { [name]: view.name, secret, uuid: view.uuid, profile: view.profile }
  const lines: [string, string][] = [
    [name.charAt(0).toUpperCase() + name.slice(1), view.name],
    ['Shared secret', secret],
    ['Profile', view.profile],
  ]
  cli.show(shown, fields(lines))
  cli.note('hand both over: the shared secret is not shown again')
}
