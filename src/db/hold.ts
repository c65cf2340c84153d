import { closeSync, fchownSync, openSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { DatabaseUnavailable, errorCode } from './errors.ts'

/** That this process alone works on a file, until it lets go or ends in whatever way. */
export interface Hold {
  /** The file whose lock it is: whoever takes that away lets others in. */
  lock: string
  release(): void
}

/** Another process works on it: see Hold. */
export class DatabaseHeld extends DatabaseUnavailable {
  constructor(path: string) {
    super(`another process, a server or a command, works on ${path}`)
    this.name = 'DatabaseHeld'
  }
}

/**
 * Takes the file at `path`, which need not be there yet, for this process alone. Its lock is that of an empty SQLite database beside it, `…-lock`: the system
 * frees it with the process, and no file that a crash left stands in the way. Whoever comes by a link comes to the same lock.
 *
 * @throws DatabaseHeld at once, when another holds it; DatabaseUnavailable where something else stands in the place of its lock
 */
export function hold(path: string): Hold {
  const lock = `${realPath(path)}-lock`
  // A command of root must not shut the server's user out.
  makeFile(lock, true)
  let handle: Sqlite.Database | undefined
  try {
    handle = new Sqlite(lock, { timeout: 0 })
    // No journal beside it: nothing is ever written.
    handle.pragma('journal_mode = memory')
    handle.exec('begin exclusive')
  } catch (error) {
    handle?.close()
    throw refused(error, path, lock)
  }
  return { lock, release: () => void handle.close() }
}

function refused(error: unknown, path: string, lock: string): unknown {
  const code = errorCode(error) ?? ''
  if (code.startsWith('SQLITE_BUSY')) return new DatabaseHeld(path)
  // Not the database is damaged.
  if (/^SQLITE_(NOTADB|CORRUPT|CANTOPEN)/.test(code))
    return new DatabaseUnavailable(`its lock ${lock} is not the empty file that it should be: take it away`, error)
  return error
}

/** Milliseconds between two tries: not the same for two who try, since each stands in the other's way for a moment. */
const again = () => 25 + Math.random() * 50

/** Calls `take`, and again while another process holds what it wants, for `patience` milliseconds. `waits` is called once, before the first wait. */
export async function untilFree<T>(take: () => T, patience: number, waits: () => void): Promise<T> {
  const until = performance.now() + patience
  for (let told = false; ; told = true) {
    try {
      return take()
    } catch (error) {
      if (!(error instanceof DatabaseHeld) || performance.now() > until) throw error
    }
    if (!told) waits()
    await delay(again())
  }
}

/**
 * Makes an empty file for its owner alone. Opened only where it is made: to close a file that SQLite has locked in this process would free its locks (fcntl(2)).
 *
 * @param asFolder the owner is the folder's, where root makes it
 */
export function makeFile(path: string, asFolder = false): void {
  try {
    const handle = openSync(path, 'wx', 0o600)
    try {
      const { uid, gid } = statSync(dirname(path))
      if (asFolder && process.geteuid?.() === 0) fchownSync(handle, uid, gid)
    } finally {
      closeSync(handle)
    }
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return join(realpathSync(dirname(path)), basename(path))
  }
}
