import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compose } from '../../compose.ts'
import { baseUrlsOf } from '../../config/baseUrls.ts'
import type { Config } from '../../config.ts'
import type { Door } from '../../core/core.ts'
import { Failure } from '../../core/failure.ts'
import type { BackupRecord } from '../../core/upkeep/custody.ts'

import { fillSqlite, type Loading } from '../../db/load.ts'
import type { Database } from '../../db/open.ts'
import { encodeRows, type PortableTable, type TableSum, tableSummer } from '../../db/portableRows.ts'
import { shapeFault } from '../../db/portableTables.ts'
import { asFileFailure } from '../../disk/refusals.ts'
import { createLog } from '../../log.ts'
import { requesterOf } from '../requester.ts'
import { type Closing, type KeptFile, type Manifest, sumsFault } from './archive.ts'
import { readBackup, summary } from './backup.ts'

/** All of a backup but its rows. */
export interface Examined {
  manifest: Manifest
  files: KeptFile[]
  closing: Closing
}

/** Reads a backup to its end, and believes it only then. Throws Failure('malformed'). */
export async function examine(file: string, passphrase: string): Promise<Examined> {
  let manifest: Manifest | undefined
  const files: KeptFile[] = []
  const closing = await readBackup(file, passphrase, {
    manifest: async (found) => {
      manifest = found
    },
    file: async (found) => {
      files.push(found)
    },
    table: async () => {},
    rows: async () => {},
  })
  return { manifest: manifest as Manifest, files, closing }
}

export const recordOf = ({ manifest: { madeAt }, closing }: Examined): BackupRecord => {
  const { rows, head } = summary(closing)
  return { madeAt, rows, head }
}

/** Puts the rows of a backup into an empty database, and proves that they are what stands there then. */
export async function fillFromBackup(loading: Loading, file: string, passphrase: string, wanted: Closing) {
  const tables: PortableTable[] = []
  await readBackup(file, passphrase, {
    manifest: async () => {},
    file: async () => {},
    table: async (table) => {
      const fault = shapeFault(
        table,
        loading.tables.find(({ name }) => name === table.name),
      )
      if (fault) throw new Failure('malformed', `the backup does not fit: ${fault}`)
      tables.push(table)
    },
    rows: (table, rows) => loading.insert(table, rows),
  })
  await proveLoaded(loading, tables, wanted.tables)
}

/** Throws Failure('internal') where a database holds other rows than were to go into it. */
export async function proveLoaded(
  loading: Loading,
  tables: PortableTable[],
  wanted: Record<string, TableSum>,
): Promise<void> {
  const found: Record<string, TableSum> = {}
  for (const table of tables) {
    const summer = tableSummer()
    for await (const rows of loading.rows(table)) summer.add(rows.length, encodeRows(rows))
    found[table.name] = summer.sum()
  }
  const fault = sumsFault(wanted, found)
  if (fault) throw new Failure('internal', `the database does not hold what was written into it: ${fault}`)
}

/** An empty folder for the time being, for its owner alone, with the files of a backup. */
export function stage(folder: string, files: KeptFile[]): string {
  rmSync(folder, { recursive: true, force: true })
  try {
    mkdirSync(folder, { mode: 0o700 })
    for (const { name, mode, content } of files)
      writeFileSync(join(folder, name), Buffer.from(content, 'base64'), { mode, flag: 'wx', flush: true })
    return folder
  } catch (error) {
    throw asFileFailure(error, folder)
  }
}

interface Proving {
  config: Config
  /** Where the key is. */
  folder: string
  /** Absent: SQLite in that folder. */
  database?: Database
  head: Closing['head']
  /** Runs where all is well. */
  proved?(door: Door): Promise<void>
}

/** Opens what was restored as the server would, and holds keys and records against each other. Throws Failure('malformed'). */
export async function prove({ config, folder, database, head, proved }: Proving): Promise<void> {
  const { httpBaseUrl } = baseUrlsOf(config)
  const where = { dataFolder: folder, ...(config.keySecret === undefined ? {} : { keySecret: config.keySecret }) }
  const { core, close } = await compose(
    { ...where, httpBaseUrl, ...(database ? { database } : {}) },
    createLog('silent'),
    refuseProfiles,
  )
  try {
    const door = core.as(await requesterOf(core, undefined))
    const unreadable = await door.custody.unreadable()
    if (unreadable.length > 0) throw new Failure('malformed', `keys cannot be opened: ${unreadable.join('; ')}`)
    const { problems } = await door.admin.verifyAudit(head.position > 0 ? head : undefined)
    if (problems.length > 0) throw new Failure('malformed', `audit verify: ${problems.slice(0, 5).join('; ')}`)
    await proved?.(door)
  } finally {
    await close()
  }
}

function refuseProfiles(): never {
  throw new Failure('internal', 'no profile is saved here')
}

/** Whether the key that a backup needs is at hand, said before anything is read twice. */
export function requireKey({ manifest }: Examined, { keySecret }: Pick<Config, 'keySecret'>): void {
  if (manifest.key === 'environment' && keySecret === undefined)
    throw new Failure(
      'malformed',
      'the installation took its key from COUNTERSIGN_KEY_SECRET, which no backup holds: set it to the value of then',
    )
  if (manifest.key === 'file' && keySecret !== undefined)
    throw new Failure(
      'malformed',
      'the key is in the backup, as a file: unset COUNTERSIGN_KEY_SECRET (keySecret) first',
    )
}

/** Restores into a folder that is deleted again: everything but putting it in place. */
export async function verifyBackup(
  config: Config,
  file: string,
  passphrase: string,
  folder: string,
): Promise<Examined> {
  const examined = await examine(file, passphrase)
  requireKey(examined, config)
  try {
    stage(folder, examined.files)
    await fillSqlite(join(folder, 'countersign.sqlite'), examined.manifest.migrations, (loading) =>
      fillFromBackup(loading, file, passphrase, examined.closing),
    )
    await prove({ config, folder, head: examined.closing.head })
    return examined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
