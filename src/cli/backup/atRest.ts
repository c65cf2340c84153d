import { dirname } from 'node:path'
import type { Config } from '../../config.ts'
import { Failure } from '../../core/failure.ts'
import type { Hold } from '../../db/hold.ts'
import { claim, claimFolder } from '../../disk/claim.ts'
import { databaseOf, isPostgres, makeFolder } from '../../disk/place.ts'
import * as doctor from '../operations/doctor.ts'
import { callSocket } from '../socketClient.ts'
import { socketPath } from '../socketPath.ts'

/** Throws Failure('conflict') while a server runs on the data folder. */
export async function requireStopped({ dataFolder }: Pick<Config, 'dataFolder'>, what: string): Promise<void> {
  const path = socketPath(dataFolder)
  const answer = await callSocket({ path, operation: doctor.server.name, input: {}, credentials: undefined })
  if (answer) throw new Failure('conflict', `a server runs on ${dataFolder}: stop it first, ${what}`)
}

/**
 * Runs `work` while nobody else works on the data folder or, of SQLite, on the file of the database, wherever that is: no server starts meanwhile.
 * Throws Failure('conflict') where one does already, telling `what` to do then.
 */
export async function atRest<T>(config: Config, what: string, work: () => Promise<T>): Promise<T> {
  await requireStopped(config, what)
  const holds: Hold[] = [await claimFolder(config.dataFolder)]
  try {
    const url = databaseOf(config)
    if (!isPostgres(url)) holds.push(await claimDatabase(url, what))
    return await work()
  } finally {
    for (const each of holds.reverse()) each.release()
  }
}

function claimDatabase(path: string, what: string): Promise<Hold> {
  makeFolder(dirname(path))
  return claim(path, `a server, or another command, works on ${path}: stop it first, ${what}`)
}
