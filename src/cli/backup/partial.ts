import { randomBytes } from 'node:crypto'
import { closeSync, linkSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Failure } from '../../core/failure.ts'

/** Under which name a file is written until it is whole: one for each run, so that of two at once neither touches the other's. */
export function partialOf(file: string): string {
  return `${file}.${process.pid}-${randomBytes(4).toString('hex')}.partial`
}

/** Of what runs that were killed have left nothing is needed. What a process writes that is there yet stays. */
export function removeLeft(file: string): void {
  const folder = dirname(file)
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(file)}.`)) continue
    const [, pid] = /^\.(\d+)-[0-9a-f]{8}\.partial$/.exec(name.slice(basename(file).length)) ?? []
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(folder, name), { force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

/** Gives a file that is whole its name. Throws Failure('conflict') where that is taken: nothing is overwritten. `link`: how the file system does it. */
export function putInPlace(partial: string, file: string, link = linkSync): void {
  try {
    link(partial, file)
    rmSync(partial)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw taken(file)
    if (!withoutLinks.has(codeOf(error))) throw error
    reserve(file)
    renameSync(partial, file)
  }
}

/** What a file system answers that has none (FAT, some of the network). */
const withoutLinks: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

function reserve(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    throw codeOf(error) === 'EEXIST' ? taken(file) : error
  }
}

export function taken(file: string): Failure {
  return new Failure('conflict', `${file} is there already: nothing is overwritten`)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
