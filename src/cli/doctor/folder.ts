import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import { type Check, check, fail, ok, warn } from './check.ts'

/** The data folder and the key in it are for the server's user alone. */
export async function folderChecks({ dataFolder, keySecret, databaseUrl }: Config): Promise<Check[]> {
  const checks = [await check('data folder', () => modeCheck(dataFolder, 0o077, warn))]
  if (keySecret === undefined)
    checks.push(await check('key file', () => modeCheck(join(dataFolder, 'key.secret'), 0o077, fail)))
  if (databaseUrl === undefined)
    checks.push(await check('database file', () => modeCheck(join(dataFolder, 'countersign.sqlite'), 0o077, fail)))
  return checks
}

function modeCheck(path: string, forbidden: number, bad: typeof warn | typeof fail) {
  const { mode, uid } = statSync(path, { throwIfNoEntry: false }) ?? {}
  if (mode === undefined) return fail(`${path} is not there`)
  const text = `${path}, mode ${(mode & 0o777).toString(8).padStart(4, '0')}`
  if ((mode & forbidden) !== 0) return bad(`${text}: others than its owner may read or write it`)
  const own = process.getuid?.()
  return own !== undefined && own !== 0 && uid !== own
    ? warn(`${text}, belongs to user ${uid}, this is user ${own}`)
    : ok(text)
}
