import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { databaseOf, isPostgres, type Place } from './place.ts'

/** Written by every server that has once served. */
const rootOf = ({ dataFolder }: Place) => join(dataFolder, 'root.pem')

/** What a move to PostgreSQL calls the file that it came from. */
export const movedName = (file: string) => `${file}.moved`

/**
 * Throws where the data folder is of an installation whose SQLite database is not there, or has nothing in it: a new one would come up with a new root, which
 * nobody trusts, and would hide that the old one is lost.
 */
export function refuseLostDatabase(place: Place): void {
  const file = databaseOf(place)
  if (isPostgres(file) || !existsSync(rootOf(place))) return
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (size !== undefined && size > 0) return
  if (size === undefined && existsSync(movedName(file)))
    throw new Error(
      `the database was moved to PostgreSQL, and its file is ${movedName(file)}: set DATABASE_URL to the new one. To go back to the file, give it its name again`,
    )
  throw lost(place, `the database ${file} is ${size === undefined ? 'missing' : 'empty'}`)
}

/** As refuseLostDatabase, of one that can be opened and was never served from, on either kind of database. */
export function refuseOtherDatabase(place: Place): void {
  if (existsSync(rootOf(place))) throw lost(place, 'there is no installation in the database')
}

function lost(place: Place, what: string): Error {
  return new Error(
    `${what}, though ${rootOf(place)} says that a server has worked here: put it back, or restore a backup. To begin anew, with a new root, take the data folder away first`,
  )
}
