import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { type Database, openDatabase } from '../db/open.ts'

/** The database that the configuration names, as compose.ts opens it. */
export function openConfigured({ dataFolder, databaseUrl }: Pick<Config, 'dataFolder' | 'databaseUrl'>): Database {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  return openDatabase(databaseUrl ?? join(dataFolder, 'countersign.sqlite'))
}
