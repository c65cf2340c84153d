import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { action } from '../cli.ts'
import * as operations from '../operations/request.ts'
import { ask } from '../prompt.ts'
import { defineList, refOf } from '../requestLists.ts'
import { revoke as askFor } from './certificate.ts'
import { moved, show, voting } from './request.ts'

/** Orders to revoke, and what people do with them. */
export function define(revoke: Command): void {
  const read = refOf('revoke')
  defineList(revoke, 'revoke')
  action(
    revoke.command('describe <id>').description('all that an approver needs (r1, 1 or a uuid)'),
    (cli, id: string) => show(cli, read(id)),
  )
  action(
    revoke
      .command('create')
      .description('ask for the revocation of a certificate, as yourself')
      .option('--certificate <id>', 'id, uuid, serial number or SHA-256 fingerprint')
      .option('--reason <reason>', 'by name or number: keyCompromise or 1; superseded or 4 …')
      .option('--authority <name>', 'whose, for a serial number that two authorities gave')
      .option('--compromised-since <time>', 'since when others may know its key: 2026-05-01T12:00:00Z, or -12h')
      .option('--comment <text>', 'for the approvers')
      .option('--attribute <name=value...>', 'what the profile asks besides, on a server'),
    async (cli, { certificate, ...options }: { certificate?: string; reason?: string }) => {
      if (certificate === undefined && !process.stdin.isTTY)
        throw new Failure('malformed', 'say which: --certificate ID')
      const id = certificate ?? (await ask('Certificate (id, serial number or fingerprint)'))
      const asked = certificate === undefined && options.reason === undefined
      const reason = asked ? { reason: await ask('Reason (name or number)', 'unspecified') } : {}
      await askFor(cli, id, { ...options, ...reason })
    },
  )
  voting(revoke, read)
  action(
    revoke.command('retry <id>').description('try one that failed again, or one under way at once'),
    async (cli, given: string) => {
      const id = read(given)
      moved(cli, id, await cli.call(operations.retry, { ref: id }))
    },
  )
  action(
    revoke.command('cancel <id>').description('withdraw one that waits').option('--reason <text>', 'why'),
    async (cli, given: string, options: { reason?: string }) => {
      const id = read(given)
      moved(cli, id, await cli.call(operations.cancel, { ref: id, ...options }))
    },
  )
}
