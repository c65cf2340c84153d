import { Failure } from '../../core/failure.ts'
import { readSecret } from '../inputFile.ts'
import { newPassword, password } from '../prompt.ts'

export const PASSPHRASE_VARIABLE = 'COUNTERSIGN_BACKUP_PASSPHRASE'
const SHORTEST = 12

/** From a file, the environment or a terminal: never from the command line, which other users of the machine can read. */
export async function backupPassphrase(file: string | undefined, fresh: boolean): Promise<string> {
  const stated = process.env[PASSPHRASE_VARIABLE]
  const given = file !== undefined ? readSecret(file) : stated || (await asked(fresh))
  if (fresh && given.length < SHORTEST)
    throw new Failure('malformed', `a passphrase of a backup has ${SHORTEST} characters at least`)
  return given
}

async function asked(fresh: boolean): Promise<string> {
  if (process.stdin.isTTY) return fresh ? newPassword(undefined) : password('Passphrase of the backup: ', undefined)
  try {
    return readSecret('-')
  } catch (cause) {
    const ways = `give --passphrase-file FILE or ${PASSPHRASE_VARIABLE}, or its passphrase as a line of standard input`
    throw new Failure('malformed', `a backup has a passphrase, and there is no terminal to ask for it: ${ways}`, {
      cause,
    })
  }
}
