import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { action } from '../cli.ts'
import { readText } from '../inputFile.ts'
import * as operations from '../operations/key.ts'
import { table, time } from '../table.ts'

/** Keys for which nothing is issued. */
export function define(key: Command): void {
  action(key.command('ls-blocked').description('list the keys for which nothing is issued'), async (cli) => {
    const keys = await cli.call(operations.listBlocked, {})
    const rows = keys.map((view) => [view.spkiSha256, view.reason, time(view.createdAt)])
    cli.show(keys, table(['sha-256 of the public key', 'reason', 'since'], rows))
  })
  action(
    which(key.command('block').description('issue nothing for a key from now on')).option(
      '--reason <text>',
      'why; whoever asks with the key reads it',
      'blocked by an administrator',
    ),
    async (cli, { reason, ...given }: Which & { reason: string }) => {
      const view = await cli.call(operations.block, { key: keyOf(given), reason })
      cli.show(view, `the key ${view.spkiSha256} is blocked\n`)
    },
  )
  action(which(key.command('unblock').description('let a key be used again')), async (cli, given: Which) => {
    const { spkiSha256 } = await cli.call(operations.unblock, { key: keyOf(given) })
    cli.show({ spkiSha256 }, `the key ${spkiSha256} is not blocked any more\n`)
  })
}

interface Which {
  spkiSha256?: string
  certificate?: string
  csr?: string
}

function which(command: Command): Command {
  return command
    .option(
      '--spki-sha256 <hash>',
      'the SHA-256 of its SubjectPublicKeyInfo, as certificate show and request show have it',
    )
    .option('--certificate <file>', 'the key of this certificate, PEM')
    .option('--csr <file>', 'the key of this certificate request, PEM')
}

function keyOf({ spkiSha256, certificate, csr }: Which) {
  if ([spkiSha256, certificate, csr].filter((given) => given !== undefined).length !== 1)
    throw new Failure('malformed', 'give one of --spki-sha256, --certificate and --csr')
  if (spkiSha256 !== undefined) return { spkiSha256 }
  return csr === undefined ? { certificate: readText(certificate ?? '') } : { csr: readText(csr) }
}
