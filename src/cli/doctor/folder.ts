import { statfsSync, statSync } from 'node:fs'
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
  checks.push(await check('disk', () => spaceCheck(dataFolder)))
  return checks
}

const MiB = 1024 * 1024

/** A database that cannot grow takes no order; what a backup needs comes on top. */
function spaceCheck(folder: string) {
  const { bavail, bsize, blocks } = statfsSync(folder)
  const free = bavail * bsize
  const text = `${Math.floor(free / MiB)} MiB are free, ${Math.floor((100 * bavail) / Math.max(1, blocks))} %`
  if (free < 100 * MiB) return fail(text)
  return free < 1024 * MiB ? warn(text) : ok(text)
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
