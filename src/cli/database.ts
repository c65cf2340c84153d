import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { type Database, openAlone, openDatabase } from '../db/open.ts'

type Place = Pick<Config, 'dataFolder' | 'databaseUrl'>

/** The database that the configuration names, to be looked at. */
export function openConfigured(place: Place): Database {
  return openDatabase(urlIn(place))
}

/** The same to be written to, as compose.ts opens it. Throws DatabaseHeld. */
export function openConfiguredAlone(place: Place): Promise<Database> {
  return openAlone(urlIn(place))
}

function urlIn({ dataFolder, databaseUrl }: Place): string {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  return databaseUrl ?? join(dataFolder, 'countersign.sqlite')
}
