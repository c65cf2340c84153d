import { join } from 'node:path'
import { pino } from 'pino'
import { type Composition, type CompositionConfig, compose } from '../../src/compose.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'

/** Looks into the database of a server that runs, on handles of its own that are closed again: what no second process of the program may do. */
export async function beside<T>(config: CompositionConfig, work: (composition: Composition) => Promise<T>): Promise<T> {
  const database = openDatabase(config.databaseUrl ?? join(config.dataFolder, 'countersign.sqlite'))
  try {
    return await work(await compose({ ...config, database }, pino({ level: 'silent' }), () => {}))
  } finally {
    await closeDatabase(database)
  }
}
