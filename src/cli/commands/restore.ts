import type { Command } from 'commander'
import { requireStopped } from '../backup/atRest.ts'
import { backupPassphrase } from '../backup/passphrase.ts'
import { type Restored, restore } from '../backup/place.ts'
import { action } from '../cli.ts'
import { progress } from '../progress.ts'

interface Options {
  passphraseFile?: string
  replace?: boolean
}

/** Brings back an installation, where none is or where one may be replaced. */
export function define(command: Command): void {
  action(
    command
      .argument('<file>')
      .option(
        '--passphrase-file <file>',
        'its passphrase in the first line of a file; also COUNTERSIGN_BACKUP_PASSPHRASE',
      )
      .option('--replace', 'in place of the installation that is there'),
    async (cli, file: string, { passphraseFile, replace = false }: Options) => {
      const config = cli.settings()
      await requireStopped(config, 'and restore then')
      const passphrase = await backupPassphrase(passphraseFile, false)
      const restored = await progress(restore({ config, file, passphrase, replace }))
      cli.show(restored, `${told(restored).join('\n')}\n`)
    },
  )
}

function told(restored: Restored): string[] {
  const { madeAt, rows, crlNumbersSkipped, sessionsEnded, setupLinksEnded, messagesGivenUp, oneTimeSecrets } = restored
  return [
    `restored ${rows} rows as of ${madeAt}; every row, every key and the audit chain are proved`,
    `the next CRLs have numbers that are ${crlNumbersSkipped} higher, and are made when the server starts`,
    `${sessionsEnded} sessions and ${setupLinksEnded} setup links are ended`,
    `${messagesGivenUp} messages to webhooks are not sent again by themselves (webhook redeliver)`,
    ...(oneTimeSecrets > 0
      ? [`${oneTimeSecrets} one-time secrets may have been used since: revoke those in doubt`]
      : []),
    `what was issued, revoked or decided after ${madeAt} is not known here: docs/operate/backup.md says what to do`,
    ...(restored.before === undefined ? [] : [`what was here before is in ${restored.before}`]),
    ...(restored.configuration === undefined ? [] : [`its configuration is ${restored.configuration}: look at it`]),
  ]
}
