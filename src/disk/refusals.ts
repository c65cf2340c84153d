import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure, type FailureCode } from '../core/failure.ts'
import { databaseOf, isPostgres, type Place } from './place.ts'

interface Places extends Place {
  /** COUNTERSIGN_KEY_SECRET; absent: a file in the data folder. */
  keySecret?: string | undefined
}

/** Throws Failure('malformed') where a file is meant and a folder is there, or the other way round. What is not there yet is fine. */
export function requirePlaces(place: Places): void {
  const { dataFolder, databaseUrl, keySecret } = place
  if (isFolder(dataFolder) === false)
    throw new Failure('malformed', `the data folder ${dataFolder} is a file: name a folder (--data, COUNTERSIGN_DATA)`)
  if (databaseUrl !== undefined && !isPostgres(databaseUrl) && isFolder(databaseUrl))
    throw new Failure(
      'malformed',
      `DATABASE_URL (databaseUrl) is the folder ${databaseUrl}: name the SQLite file itself, such as ${join(databaseUrl, 'countersign.sqlite')}, or postgres://…`,
    )
  const files = [
    ...(databaseUrl === undefined ? ['countersign.sqlite'] : []),
    ...(keySecret === undefined ? ['key.secret'] : []),
  ]
  for (const name of files) {
    const path = join(dataFolder, name)
    if (isFolder(path))
      throw new Failure(
        'malformed',
        `${path} is a folder, and must be a file: put that of your backup there, or name another data folder`,
      )
  }
}

function isFolder(path: string): boolean | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory()
  } catch {
    return undefined
  }
}

/** What a place that cannot be written to makes of an SQLite database and of the files beside it. */
const refusals = /^(EROFS|EACCES|EPERM|SQLITE_READONLY|SQLITE_CANTOPEN)/

/**
 * What is thrown since the data folder or the database cannot be written to, as a Failure that says which, and why. Anything else as it is. To read is to
 * write here, too: SQLite has its log beside the file, and the server's lock stands there.
 */
export function asPlaceFailure(error: unknown, place: Places): unknown {
  if (!codesOf(error).some((code) => refusals.test(code))) return error
  for (const path of writtenTo(place)) {
    const code = refusalOf(path)
    if (code !== undefined) return refused(path, code, error)
  }
  return error
}

function refused(path: string, code: string, cause: unknown): Failure {
  const needed = 'a server writes there, and a command that finds none, also where it only reads'
  if (code === 'EROFS')
    return new Failure(
      'unavailable',
      `${path} is on a file system that is mounted read-only: ${needed}. Mount it to be written to, or work on a copy of the folder`,
      { cause },
    )
  const own = process.getuid?.()
  const owner = statSync(path, { throwIfNoEntry: false })?.uid
  const whose = owner === undefined || owner === own ? '' : `; it belongs to user ${owner}, this is user ${own}`
  return new Failure(
    'forbidden',
    `${path} may not be written to (${code})${whose}: ${needed}. Run this as the server's user, or mend the owner, mode and attributes`,
    { cause },
  )
}

function writtenTo({ dataFolder, databaseUrl, keySecret }: Places): string[] {
  const file = databaseOf({ dataFolder, databaseUrl })
  const database = isPostgres(file) ? [] : [dirname(file), file, ...['-wal', '-shm', '-lock'].map((end) => file + end)]
  const key = keySecret === undefined ? [join(dataFolder, 'key.secret')] : []
  return [dataFolder, ...database, ...key].filter((path, n) => n === 0 || existsSync(path))
}

function refusalOf(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    const code = codesOf(error)[0]
    return code === 'ENOENT' ? undefined : code
  }
}

/** Of an error and its causes. */
function codesOf(error: unknown): string[] {
  const codes: string[] = []
  for (let cause = error; cause instanceof Error && codes.length < 5; cause = cause.cause)
    codes.push('code' in cause && typeof cause.code === 'string' ? cause.code : '')
  return codes
}

/** What the system says of a file that somebody named, as a Failure that says which, and what to do. Anything else as it is. */
export function asFileFailure(error: unknown, file: string): unknown {
  const [code = ''] = codesOf(error)
  const [kind, told] = FILE_REFUSALS[code] ?? []
  return kind && told ? new Failure(kind, `${file}: ${told}`, { cause: error }) : error
}

const FULL = ['unavailable', 'its disk is full: make room there, or name another place'] as const
const SHUT = ['forbidden', 'it may not be written to: see owners, modes, and how its disk is mounted'] as const
const FILE_REFUSALS: Record<string, readonly [FailureCode, string]> = {
  ENOENT: ['malformed', 'its folder is not there: make it, or name another one'],
  ENOTDIR: ['malformed', 'a file stands where its folder should be'],
  EISDIR: ['malformed', 'it is a folder, and no file'],
  ENOSPC: FULL,
  EDQUOT: FULL,
  EFBIG: ['unavailable', 'no file may be so large here: see limits of the system and of its disk'],
  EROFS: SHUT,
  EACCES: SHUT,
  EPERM: SHUT,
}
