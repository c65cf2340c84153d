import { type Database, openAlone, openDatabase } from '../db/open.ts'
import { databaseOf, makeFolder, type Place } from '../disk/place.ts'

/** The database that the configuration names, to be looked at. */
export function openConfigured(place: Place): Database {
  return openDatabase(urlIn(place))
}

/** The same to be written to, as compose.ts opens it. Throws DatabaseHeld. */
export function openConfiguredAlone(place: Place): Promise<Database> {
  return openAlone(urlIn(place))
}

function urlIn(place: Place): string {
  makeFolder(place.dataFolder)
  return databaseOf(place)
}
