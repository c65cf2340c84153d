import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { Failure } from '../../core/failure.ts'
import { hasDatabase } from '../../disk/place.ts'
import { type Backup, makeBackup, summary } from '../backup/backup.ts'
import { backupPassphrase } from '../backup/passphrase.ts'
import { verifyBackup } from '../backup/restore.ts'
import { action, type Cli } from '../cli.ts'
import * as operations from '../operations/backup.ts'
import { progress } from '../progress.ts'

const passphraseFile = [
  '--passphrase-file <file>',
  'its passphrase in the first line of a file; also COUNTERSIGN_BACKUP_PASSPHRASE',
] as const

interface Options {
  passphraseFile?: string
}

/** All of an installation in one file, also while it serves. */
export function define(backup: Command): void {
  action(
    backup
      .command('create <file>', { isDefault: true })
      .description('write one, also while the server runs')
      .option(...passphraseFile),
    async (cli, file: string, options: Options) => {
      const config = cli.settings()
      if (!hasDatabase(config)) throw new Failure('notFound', `there is no installation in ${config.dataFolder}`)
      const passphrase = await backupPassphrase(options.passphraseFile, true)
      const made = await progress(makeBackup(config, file, passphrase))
      await record(cli, file, made)
      const lines = [
        `${file}: ${made.rows} rows of ${made.tables} tables as of ${made.madeAt}, ${made.octets} octets`,
        `audit head ${made.head.position}:${made.head.hash}`,
        ...(made.key === 'environment' ? [keyElsewhere] : []),
        'whoever has this file and its passphrase has every key of this installation',
      ]
      cli.show(made, `${lines.join('\n')}\n`)
    },
  )
  action(
    backup
      .command('verify <file>')
      .description('restore one into a temporary database, prove all of it, and delete that again')
      .option(...passphraseFile),
    async (cli, file: string, options: Options) => {
      const config = cli.settings()
      const passphrase = await backupPassphrase(options.passphraseFile, false)
      const folder = join(existsSync(config.dataFolder) ? config.dataFolder : tmpdir(), `verify.staged-${process.pid}`)
      const { manifest, closing } = await progress(verifyBackup(config, file, passphrase, folder))
      const { rows, tables, head } = summary(closing)
      const { madeAt, dialect, migrations, key } = manifest
      const answer = { madeAt, dialect, migration: migrations.at(-1), key, rows, tables, head, sums: closing.tables }
      const lines = [
        `${file} is whole: ${rows} rows of ${tables} tables as of ${madeAt}, from ${dialect}, at migration ${migrations.at(-1)}`,
        'every row is as it was written, every key can be opened, the audit chain and the records agree',
        `audit head ${head.position}:${head.hash}`,
        ...(key === 'environment' ? [keyElsewhere] : []),
      ]
      cli.show(answer, `${lines.join('\n')}\n`)
    },
  )
}

/** A backup that is whole stays, whatever becomes of the record of it. */
async function record(cli: Cli, file: string, { madeAt, rows, head }: Backup): Promise<void> {
  try {
    await cli.call(operations.recordBackup, { madeAt, rows, head })
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    const detail = `${file} is whole, but that it was made could not be written down: ${cause.detail}`
    throw new Failure(cause.code, detail, { cause })
  }
}

const keyElsewhere = 'COUNTERSIGN_KEY_SECRET is not in it: keep that elsewhere, nothing can be restored without it'
