import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { Failure } from '../../core/failure.ts'

const serverProfile = z.strictObject({
  /** https, without a trailing slash. */
  url: z.string(),
  /** PEM of the CA that its TLS certificate is verified against; absent: those that the system trusts. */
  ca: z.string().optional(),
  /** Absent: COUNTERSIGN_TOKEN. */
  token: z.string().optional(),
  /** Of a token that login made, which logout ends. */
  tokenUuid: z.string().optional(),
  user: z.string().optional(),
})
export type ServerProfile = z.output<typeof serverProfile>

const serverProfiles = z.strictObject({
  /** Which of them is meant where nothing is said and no data folder is there. */
  current: z.string().optional(),
  profiles: z.record(z.string(), serverProfile).default({}),
})
export type ServerProfiles = z.output<typeof serverProfiles>

/** ~/.config/countersign/config.json, or below XDG_CONFIG_HOME; one that is not absolute does not count (XDG base directories). */
export function profilesFile(): string {
  const { XDG_CONFIG_HOME: named } = process.env
  return join(named && isAbsolute(named) ? named : join(homedir(), '.config'), 'countersign', 'config.json')
}

/** Throws Failure: forbidden where others may read or change it, malformed. */
export function readProfiles(): ServerProfiles {
  const file = profilesFile()
  const text = readOwn(file)
  if (text === undefined) return { profiles: {} }
  try {
    return serverProfiles.parse(JSON.parse(text))
  } catch (cause) {
    throw new Failure('malformed', `${file} is not what countersign login writes: mend it, or remove it and log in`, {
      cause,
    })
  }
}

/** Undefined where there is none. What is looked at and what is read are the same file. */
function readOwn(file: string): string | undefined {
  const opened = openThere(file)
  if (opened === undefined) return undefined
  try {
    const { mode, uid } = fstatSync(opened)
    const own = process.getuid?.() ?? uid
    if (uid !== own) throw new Failure('forbidden', `${file} belongs to another user: remove it, and log in again`)
    if ((mode & 0o077) !== 0)
      throw new Failure(
        'forbidden',
        `${file} holds tokens, and others may read it: chmod 600 ${file}; log out and in again where somebody may have`,
      )
    return readFileSync(opened, 'utf8')
  } finally {
    closeSync(opened)
  }
}

function openThere(file: string): number | undefined {
  try {
    return openSync(file, constants.O_RDONLY)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new Failure('forbidden', `${file} cannot be read (${code})`, { cause })
  }
}

/** All of the file or what was there before; never readable for others, not for a moment. */
export function writeProfiles(profiles: ServerProfiles): void {
  const file = profilesFile()
  const next = `${file}.${randomBytes(6).toString('hex')}`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(next, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
    renameSync(next, file)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    throw new Failure('forbidden', `${file} cannot be written (${code})`, { cause })
  }
}
