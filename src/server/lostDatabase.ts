import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config.ts'

/**
 * Throws where the data folder is of an installation whose SQLite database is not there: a new one would come up with a new root, which nobody trusts, and
 * would hide that the old one is lost. root.pem is written by every server that has once served.
 */
export function refuseLostDatabase({ dataFolder, databaseUrl }: Pick<Config, 'dataFolder' | 'databaseUrl'>): void {
  const file = databaseUrl ?? join(dataFolder, 'countersign.sqlite')
  const root = join(dataFolder, 'root.pem')
  if (/^postgres(ql)?:/.test(file) || existsSync(file) || !existsSync(root)) return
  throw new Error(
    `the database ${file} is missing, though ${root} says that a server has worked here: put it back, or restore a backup. To begin anew, with a new root, take the data folder away first`,
  )
}
