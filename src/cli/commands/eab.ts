import type { Command } from 'commander'
import type { CredentialView } from '../../core/enrolment/credentialAdmin.ts'
import { action, type Cli } from '../cli.ts'
import type { Wire } from '../operation.ts'
import * as operations from '../operations/eab.ts'
import { fields, table, time } from '../table.ts'

/** MAC keys with which ACME clients get accounts: external account binding. */
export function define(eab: Command): void {
  action(
    eab
      .command('create')
      .description('make a key identifier and its MAC key, shown once. You approve nothing that is asked with it')
      .requiredOption('--profile <name>', 'whose accounts it is for')
      .option('--kid <name>', 'the key identifier; without it, one is made')
      .option(
        '--identifier <pattern...>',
        'names that may be ordered, as in a profile; without it, those of the profile',
      )
      .option('--single-use', 'good for one account; without it, for any number')
      .option('--expires <time>', 'like 30d: until when accounts can be made with it')
      .option('--note <text>', 'whom it was made for'),
    create,
  )
  action(
    eab
      .command('ls')
      .description('list the keys of the profiles that you manage')
      .option('--profile <name>', 'of one profile'),
    list,
  )
  action(
    eab.command('revoke <uuid>').description('end a key and what its accounts may order'),
    async (cli, uuid: string) => {
      await cli.call(operations.revoke, { uuid })
      cli.show({}, `key ${uuid} is revoked\n`)
    },
  )
}

interface Create {
  profile: string
  kid?: string
  identifier?: string[]
  singleUse?: boolean
  expires?: string
  note?: string
}

async function create(cli: Cli, { identifier, ...given }: Create): Promise<void> {
  const input = { ...given, ...(identifier === undefined ? {} : { identifiers: identifier }) }
  const { secret, view } = await cli.call(operations.create, input)
  const shown = { kid: view.name, hmac: secret, uuid: view.uuid, profile: view.profile }
  const lines: [string, string][] = [
    ['Key identifier', view.name],
    ['MAC key', secret],
    ['Profile', view.profile],
  ]
  cli.show(shown, fields(lines))
  cli.note(
    'hand both over: the MAC key is not shown again (certbot: --eab-kid, --eab-hmac-key; lego: --eab --kid --hmac)',
  )
}

async function list(cli: Cli, { profile }: { profile?: string }): Promise<void> {
  const keys = await cli.call(operations.list, profile === undefined ? {} : { profile })
  cli.show(keys, table(headings('kid'), keys.map(rowOf)))
}

/** Of a list of credentials, whatever their kind calls the name. */
export const headings = (name: string): string[] => {
  return ['uuid', name, 'profile', 'names', 'uses', 'made by', 'expires', 'used', 'revoked', 'note']
}

/** One credential under these headings. */
export function rowOf(view: Wire<CredentialView>): (string | null)[] {
  return [
    view.uuid,
    view.name === view.uuid ? '' : view.name,
    view.profile,
    names(view),
    view.singleUse ? 'once' : 'any',
    view.createdBy,
    time(view.expiresAt),
    time(view.usedAt),
    time(view.revokedAt),
    view.note,
  ]
}

function names({ identifiers }: Wire<CredentialView>): string {
  if (identifiers === null) return 'as the profile'
  const lists = Object.values(identifiers as Record<string, unknown>).filter(Array.isArray)
  return lists.flat().join(' ')
}
