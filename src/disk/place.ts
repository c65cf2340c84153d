import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Failure } from '../core/failure.ts'

/** Where an installation has its data. */
export interface Place {
  dataFolder: string
  /** postgres://… or the path of an SQLite file; absent: that file in the data folder. */
  databaseUrl?: string | undefined
}

export function databaseOf({ dataFolder, databaseUrl }: Place): string {
  return databaseUrl ?? join(dataFolder, 'countersign.sqlite')
}

export const isPostgres = (url: string): boolean => /^postgres(ql)?:/.test(url)

/** Whether there is a database, as far as that shows without asking a server. */
export function hasDatabase(place: Place): boolean {
  const url = databaseOf(place)
  return isPostgres(url) || existsSync(url)
}

/** Makes a folder for its owner alone, and those above it that are not there. Throws Failure('malformed'). Not by Node's own way, which never ends where /proc refuses one. */
export function makeFolder(path: string): void {
  const missing: string[] = []
  for (let folder = resolve(path); !existsSync(folder) && folder !== dirname(folder); folder = dirname(folder))
    missing.unshift(folder)
  for (const folder of missing) {
    try {
      mkdirSync(folder, { mode: 0o700 })
    } catch (cause) {
      // Another process may make it at the same time.
      if (existsSync(folder)) continue
      const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
      throw new Failure('malformed', `the folder ${folder} cannot be made (${why}): name another one`, { cause })
    }
  }
}
