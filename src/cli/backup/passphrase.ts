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

function asked(fresh: boolean): Promise<string> {
  return fresh ? newPassword(undefined) : password('Passphrase of the backup: ', undefined)
}
