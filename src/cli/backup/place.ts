import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Config } from '../../config.ts'
import { Failure } from '../../core/failure.ts'
import type { Resumed } from '../../core/upkeep/custody.ts'
import { fillSqlite } from '../../db/load.ts'
import { fillPostgres, postgresOccupancy } from '../../db/loadPostgres.ts'
import { closeDatabase, type Database, openDatabase } from '../../db/open.ts'
import { databaseOf, isPostgres } from '../../disk/place.ts'
import { atRest } from './atRest.ts'
import { syncFolder } from './backup.ts'
import { type Examined, examine, fillFromBackup, prove, recordOf, requireKey, stage } from './restore.ts'

export interface Restoring {
  config: Config
  file: string
  passphrase: string
  /** What is there may be replaced. */
  replace: boolean
}

export interface Restored extends Resumed {
  madeAt: string
  rows: number
  /** Where the files of before are; absent: there were none, or they are not kept. */
  before?: string
  /** A configuration of the backup that was not put in place of another. */
  configuration?: string
}

/**
 * Restores a backup. Until all of it is proved, and after whatever stops it sooner, everything is as it was. Meanwhile no server starts on the data folder or on
 * the SQLite file, and nobody else restores there. Throws Failure('conflict') where one does already.
 */
export async function restore(asked: Restoring): Promise<Restored> {
  return atRest(asked.config, 'and restore again', () => restoreAtRest(asked))
}

async function restoreAtRest(asked: Restoring): Promise<Restored> {
  const { config, file, passphrase, replace } = asked
  const url = databaseOf(config)
  const postgres = isPostgres(url)
  await requireRoom(url, config, replace)
  const examined = await examine(file, passphrase)
  requireKey(examined, config)
  // Beside the database, so that it is put in place at once. What a restore that was killed has left there is of no other that runs: nobody else restores there.
  const beside = postgres || config.databaseUrl === undefined ? join(config.dataFolder, 'restore') : url
  const folder = stage(`${beside}.staged`, examined.files)
  try {
    return await (postgres ? intoPostgres : intoSqlite)({ ...asked, url, folder, examined })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Throws Failure('conflict') where something is there that nobody said to replace. */
async function requireRoom(url: string, { dataFolder }: Config, replace: boolean): Promise<void> {
  const told = 'restore replaces it with --replace, and keeps nothing of it in a database server'
  if (isPostgres(url)) {
    const { tables, ours, servers } = await postgresOccupancy(url)
    if (servers > 0) throw new Failure('conflict', 'a server uses this database: stop every one of them first')
    if (tables > 0 && !ours)
      throw new Failure('conflict', 'the database has tables of another program: take another one')
    if (tables > 0 && !replace) throw new Failure('conflict', `there is an installation in this database: ${told}`)
  } else if (existsSync(url) && !replace) {
    throw new Failure(
      'conflict',
      `there is an installation already, ${url}: restore replaces it with --replace, and keeps it beside`,
    )
  }
  if (existsSync(join(dataFolder, 'key.secret')) && !replace)
    throw new Failure(
      'conflict',
      `${join(dataFolder, 'key.secret')} is there already: take an empty folder, or --replace`,
    )
}

interface Into extends Restoring {
  url: string
  folder: string
  examined: Examined
}

async function intoSqlite(into: Into): Promise<Restored> {
  const { config, file, passphrase, url, folder, examined } = into
  const staged = join(folder, 'countersign.sqlite')
  await fillSqlite(staged, examined.manifest.migrations, (loading) =>
    fillFromBackup(loading, file, passphrase, examined.closing),
  )
  const resumed = await proveAndResume(into)
  flush(staged)
  const before = await keepBefore(url, config.dataFolder)
  layKeys(into)
  renameSync(staged, url)
  syncFolder(dirname(url))
  return placed(into, { ...resumed, ...before })
}

async function intoPostgres(into: Into): Promise<Restored> {
  const { file, passphrase, replace, url, examined } = into
  let resumed: Resumed | undefined
  await fillPostgres({
    url,
    migrations: examined.manifest.migrations,
    replace,
    fill: (loading) => fillFromBackup(loading, file, passphrase, examined.closing),
    prove: async (database) => {
      resumed = await proveAndResume(into, database)
      layKeys(into)
    },
  })
  return placed(into, resumed as Resumed)
}

async function proveAndResume({ config, folder, examined }: Into, database?: Database): Promise<Resumed> {
  let resumed: Resumed | undefined
  await prove({
    config,
    folder,
    ...(database ? { database } : {}),
    head: examined.closing.head,
    proved: async (door) => {
      resumed = await door.custody.restored(recordOf(examined))
    },
  })
  return resumed as Resumed
}

/** In the order in which they are put in place: whoever opens the keys (src/key/keySecret.ts) goes on with it as long as the key itself waits. */
const KEYS = ['key.secret.next', 'key.secret'] as const

/**
 * The last before the commit: the keys wait beside the old ones, as they are once all is proved. A server that finds both takes those of its database, so
 * that no moment is without the right ones, and whoever stops here has lost none.
 */
function layKeys({ config, folder }: Into): void {
  for (const name of KEYS) {
    const [staged, waiting] = [join(folder, name), join(config.dataFolder, `${name}.restored`)]
    rmSync(waiting, { force: true })
    if (existsSync(staged)) writeFileSync(waiting, readFileSync(staged), { mode: 0o600, flag: 'wx', flush: true })
  }
  syncFolder(config.dataFolder)
}

/** After the commit: the files of the folder in place of those of before. */
function placed({ config: { dataFolder }, folder, examined }: Into, outcome: Resumed & { before?: string }): Restored {
  const has = (name: string) => existsSync(join(folder, name))
  if (has('key.secret')) {
    // Of a change of the key of what was replaced.
    rmSync(join(dataFolder, 'key.secret.next'), { force: true })
    for (const name of KEYS) if (has(name)) renameSync(join(dataFolder, `${name}.restored`), join(dataFolder, name))
    syncFolder(dataFolder)
  }
  if (has('root.pem')) copyFileSync(join(folder, 'root.pem'), join(dataFolder, 'root.pem'))
  const { madeAt, rows } = recordOf(examined)
  return { madeAt, rows, ...outcome, ...keepConfiguration(folder, dataFolder) }
}

/** A configuration that is there already is somebody's: that of the backup comes beside it. */
function keepConfiguration(folder: string, dataFolder: string): { configuration?: string } {
  const [from, own] = [join(folder, 'countersign.yaml'), join(dataFolder, 'countersign.yaml')]
  if (!existsSync(from) || (existsSync(own) && readFileSync(own).equals(readFileSync(from)))) return {}
  const configuration = existsSync(own) ? `${own}.restored` : own
  copyFileSync(from, configuration)
  return { configuration }
}

/** The database that is replaced, under another name, and its keys. Its log is brought into it first: it must not be taken for that of the new one. */
async function keepBefore(url: string, dataFolder: string): Promise<{ before?: string }> {
  if (!existsSync(url)) return {}
  await closeDatabase(openDatabase(url))
  const log = statSync(`${url}-wal`, { throwIfNoEntry: false })
  if (log && log.size > 0)
    throw new Failure('conflict', `${url}-wal is in use: some other process has the database open`)
  for (const rest of ['-wal', '-shm']) rmSync(`${url}${rest}`, { force: true })
  const before = join(dirname(url), `before-restore-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`)
  mkdirSync(before, { mode: 0o700 })
  linkSync(url, join(before, basename(url)))
  for (const name of KEYS)
    if (existsSync(join(dataFolder, name))) copyFileSync(join(dataFolder, name), join(before, name))
  return { before }
}

function flush(path: string): void {
  const handle = openSync(path, 'r+')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
