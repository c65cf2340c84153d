import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { action, type Cli } from '../cli.ts'
import { readSecret } from '../inputFile.ts'
import * as operations from '../operations/kek.ts'
import { fields, table } from '../table.ts'
import { headings, rowOf } from './eab.ts'

/** Secret keys to which private keys are encrypted for devices that know them: RFC 7030 section 4.4.1.1. */
export function define(kek: Command): void {
  action(
    kek
      .command('create')
      .description('make an AES key of 256 bits, shown once, or take one that the device has from its factory')
      .requiredOption('--profile <name>', 'by whose requests it may be named')
      .option('--identifier <name>', 'the DecryptKeyIdentifier: text, or hex:0a0b… for octets; without it, one is made')
      .option('--key-file <file>', 'the key, in hexadecimal digits in the first line of a file, - for standard input')
      .option('--expires <time>', 'like 30d: until when it can be named')
      .option('--note <text>', 'which device has it'),
    create,
  )
  action(
    kek
      .command('ls')
      .description('list the keys of the profiles that you manage')
      .option('--profile <name>', 'of one profile'),
    list,
  )
  action(
    kek.command('revoke <uuid>').description('end a key: nothing is encrypted to it any more'),
    async (cli, uuid: string) => {
      await cli.call(operations.revoke, { uuid })
      cli.show({}, `key ${uuid} is revoked\n`)
    },
  )
}

interface Create {
  profile: string
  identifier?: string
  keyFile?: string
  expires?: string
  note?: string
}

async function create(cli: Cli, { keyFile, ...given }: Create): Promise<void> {
  const input = { ...given, ...(keyFile === undefined ? {} : { secret: asBase64url(keyFile) }) }
  const { secret, view } = await cli.call(operations.create, input)
  const key = Buffer.from(secret, 'base64url').toString('hex')
  const shown = { identifier: view.name, key, uuid: view.uuid, profile: view.profile }
  const lines: [string, string][] = [
    ['Identifier', view.name],
    ['Key', key],
    ['Profile', view.profile],
  ]
  cli.show(shown, fields(lines))
  if (keyFile === undefined) cli.note('bring both to the device: the key is not shown again')
}

function asBase64url(file: string): string {
  const digits = readSecret(file).trim()
  if (/^(?:[0-9a-f]{2})+$/i.test(digits)) return Buffer.from(digits, 'hex').toString('base64url')
  throw new Failure('malformed', `${file}: a key is written in hexadecimal digits`)
}

async function list(cli: Cli, { profile }: { profile?: string }): Promise<void> {
  const keys = await cli.call(operations.list, profile === undefined ? {} : { profile })
  cli.show(keys, table(headings('identifier'), keys.map(rowOf)))
}
