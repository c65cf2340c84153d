import { statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import { type Check, check, fail, ok, warn } from './check.ts'

/** The data folder and the key in it are for the server's user alone. */
export async function folderChecks({ dataFolder, keySecret, databaseUrl }: Config): Promise<Check[]> {
  const checks = [await check('data folder', () => modeCheck(dataFolder, '700', warn))]
  if (keySecret === undefined) checks.push(await check(KEY_FILE, () => modeCheck(keyPath(dataFolder), '600', fail)))
  if (databaseUrl === undefined)
    checks.push(await check('database file', () => modeCheck(join(dataFolder, 'countersign.sqlite'), '600', fail)))
  checks.push(await check('disk', () => spaceCheck(dataFolder)))
  return checks
}

const KEY_FILE = 'key file'
const keyPath = (dataFolder: string) => join(dataFolder, 'key.secret')

/** Whoever opens the keys sets the mode of their file right: what was seen before is said nevertheless, since others may have read it until now. */
export function tellMended(checks: Check[], { dataFolder }: Pick<Config, 'dataFolder'>): void {
  const seen = checks.find(({ name, state }) => name === KEY_FILE && state === 'fail')
  const { mode } = statSync(keyPath(dataFolder), { throwIfNoEntry: false }) ?? {}
  if (!seen || mode === undefined || (mode & 0o077) !== 0) return
  seen.detail = `${seen.detail.replace(hint('600', keyPath(dataFolder)), '')}; it is 0600 now. Where others use this machine, take another key: countersign key-secret rotate`
}

const hint = (right: string, path: string) => `: chmod ${right} ${path}`

const MiB = 1024 * 1024

/** A database that cannot grow takes no order; what a backup needs comes on top. */
function spaceCheck(folder: string) {
  const { bavail, bsize, blocks } = statfsSync(folder)
  const free = bavail * bsize
  const text = `${Math.floor(free / MiB)} MiB are free, ${Math.floor((100 * bavail) / Math.max(1, blocks))} %`
  if (free < 100 * MiB) return fail(text)
  return free < 1024 * MiB ? warn(text) : ok(text)
}

/** `right`: the mode for its owner alone, in octal digits. */
function modeCheck(path: string, right: '600' | '700', bad: typeof warn | typeof fail) {
  const { mode, uid } = statSync(path, { throwIfNoEntry: false }) ?? {}
  if (mode === undefined) return fail(`${path} is not there`)
  const text = `${path}, mode ${(mode & 0o777).toString(8).padStart(4, '0')}`
  if ((mode & 0o077) !== 0) return bad(`${text}: others than its owner may read or write it${hint(right, path)}`)
  const own = process.getuid?.()
  return own !== undefined && own !== 0 && uid !== own
    ? warn(`${text}, belongs to user ${uid}, this is user ${own}`)
    : ok(text)
}
