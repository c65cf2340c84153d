import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import type { Config } from '../../config.ts'
import { Failure } from '../../core/failure.ts'
import { openSnapshot } from '../../db/snapshot.ts'
import { databaseOf } from '../../disk/place.ts'
import { asFileFailure } from '../../disk/refusals.ts'
import { type ArchiveReader, type Closing, KEPT, type KeptFile, readArchive, writeArchive } from './archive.ts'
import { HEADER_OCTETS, opening, sealing } from './envelope.ts'
import { requireOwnKey } from './ownKey.ts'
import { partialOf, putInPlace, removeLeft, taken } from './partial.ts'

export interface Backup {
  madeAt: string
  rows: number
  tables: number
  octets: number
  head: Closing['head']
  key: 'file' | 'environment'
}

type Place = Pick<Config, 'dataFolder' | 'databaseUrl' | 'keySecret'>

/**
 * Writes a sealed backup of an installation that may be serving. The file appears under its name when all of it is on the disk. Throws
 * Failure('conflict') where it is there already, and where the key that would be kept is not that of the database.
 */
export async function makeBackup(config: Place, file: string, passphrase: string): Promise<Backup> {
  if (existsSync(file)) throw taken(file)
  const partial = partialOf(file)
  const before = keptKey(config)
  const snapshot = await openSnapshot(databaseOf(config))
  try {
    removeLeft(file)
    const madeAt = new Date().toISOString()
    const files = keptFiles(config.dataFolder)
    if (keptKey(config) !== before)
      throw new Failure('conflict', 'the key-encryption key was changed meanwhile: try again')
    await requireOwnKey(snapshot, files, config)
    const key = config.keySecret === undefined ? 'file' : 'environment'
    const manifest = { version: 1, madeAt, dialect: snapshot.dialect, migrations: snapshot.migrations, key } as const
    const target = await open(partial, 'wx', 0o600)
    let closing: Closing | undefined
    try {
      const content = writeArchive({ manifest, files, snapshot }, (end) => {
        closing = end
      })
      await pipeline(
        Readable.from(content, { objectMode: false }),
        createGzip({ level: 1 }),
        await sealing(passphrase),
        writing(target),
      )
      await target.sync()
    } finally {
      await target.close()
    }
    putInPlace(partial, file)
    syncFolder(dirname(file))
    return { ...summary(closing as Closing), madeAt, octets: statSync(file).size, key }
  } catch (error) {
    if (existsSync(partial)) rmSync(partial)
    throw asFileFailure(error, file)
  } finally {
    await snapshot.close()
  }
}

export function summary({ tables, head }: Closing): Pick<Backup, 'rows' | 'tables' | 'head'> {
  const all = Object.values(tables)
  return { rows: all.reduce((sum, { rows }) => sum + rows, 0), tables: all.length, head }
}

function writing(target: FileHandle): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      target.writeFile(chunk).then(() => done(), done)
    },
  })
}

function keptKey({ keySecret, dataFolder }: Place): string | undefined {
  return keySecret === undefined ? readKept(dataFolder, 'key.secret')?.content.toString() : undefined
}

/** Those of the files to keep that are there; one that goes away before it is opened is not. `open`: for tests. */
export function keptFiles(dataFolder: string, open = (path: string) => openSync(path, 'r')): KeptFile[] {
  return KEPT.flatMap((name) => {
    const file = readKept(dataFolder, name, open)
    return file === undefined ? [] : [{ name, mode: file.mode, content: file.content.toString('base64') }]
  })
}

function readKept(dataFolder: string, name: string, open = (path: string) => openSync(path, 'r')) {
  const handle = openKept(join(dataFolder, name), open)
  if (handle === undefined) return undefined
  try {
    return { content: readFileSync(handle), mode: fstatSync(handle).mode & 0o777 }
  } finally {
    closeSync(handle)
  }
}

function openKept(path: string, open: (path: string) => number): number | undefined {
  try {
    return open(path)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (code === 'ENOENT') return undefined
    throw new Failure('malformed', `${path}: cannot be read (${code})`, { cause })
  }
}

/** What was renamed or made in it stays so after a loss of power. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder === '' ? '.' : folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Hands on what a backup holds: see readArchive. Throws Failure('malformed') where the file is not whole, not ours or of another passphrase. */
export async function readBackup(file: string, passphrase: string, reader: ArchiveReader): Promise<Closing> {
  const source = await openFile(file)
  try {
    const header = Buffer.alloc(HEADER_OCTETS)
    const { bytesRead } = await source.read(header, 0, HEADER_OCTETS, 0)
    const opened = await opening(passphrase, header.subarray(0, bytesRead))
    const unzipped = createGunzip()
    let closing: Closing | undefined
    const content = source.createReadStream({ start: HEADER_OCTETS, autoClose: false })
    await pipeline(content, opened, unzipped, async (octets: AsyncIterable<Buffer>) => {
      closing = await readArchive(octets, reader)
    })
    return closing as Closing
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (!code.startsWith('Z_')) throw asFileFailure(error, file)
    throw new Failure('malformed', 'the backup is not written as this program writes one', { cause: error })
  } finally {
    await source.close()
  }
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const what = code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`
    throw new Failure('malformed', `${file}: ${what}`, { cause })
  }
}
