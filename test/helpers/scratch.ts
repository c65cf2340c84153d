import { mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Debian keeps it in memory: there a commit of SQLite, which waits for the disk, waits for nothing. */
const memory = '/dev/shm'
const enough = 1024 ** 3

/** Makes a folder for databases, which nothing is run from; in memory where there is room. */
export function databaseFolder(prefix: string): string {
  return mkdtempSync(join(roomInMemory() ? memory : tmpdir(), prefix))
}

function roomInMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync(memory)
    return bavail * bsize > enough
  } catch {
    return false
  }
}
