import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Config } from '../../config.ts'
import { Failure } from '../../core/failure.ts'
import { DatabaseHeld, type Hold, hold, untilFree } from '../../db/hold.ts'
import * as doctor from '../operations/doctor.ts'
import { claimFolder } from '../socket.ts'
import { callSocket } from '../socketClient.ts'
import { socketPath } from '../socketPath.ts'
import { databaseOf } from './backup.ts'

/** Throws Failure('conflict') while a server runs on the data folder. */
export async function requireStopped({ dataFolder }: Pick<Config, 'dataFolder'>, what: string): Promise<void> {
  const path = socketPath(dataFolder)
  const answer = await callSocket({ path, operation: doctor.server.name, input: {}, credentials: undefined })
  if (answer) throw new Failure('conflict', `a server runs on ${dataFolder}: stop it first, ${what}`)
}

/** Milliseconds for which a command that ends just now is waited for. */
const MOMENT = 1_000

/**
 * Runs `work` while nobody else works on the data folder or, of SQLite, on the file of the database, wherever that is: no server starts meanwhile.
 * Throws Failure('conflict') where one does already, telling `what` to do then.
 */
export async function atRest<T>(config: Config, what: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(config.dataFolder, { recursive: true, mode: 0o700 })
  await requireStopped(config, what)
  const holds: Hold[] = [await claimFolder(config.dataFolder)]
  try {
    const url = databaseOf(config)
    if (!/^postgres(ql)?:\/\//.test(url)) holds.push(await held(url, what))
    return await work()
  } finally {
    for (const each of holds.reverse()) each.release()
  }
}

async function held(path: string, what: string): Promise<Hold> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    return await untilFree(
      () => hold(path),
      MOMENT,
      () => {},
    )
  } catch (cause) {
    if (!(cause instanceof DatabaseHeld)) throw cause
    throw new Failure('conflict', `a server, or another command, works on ${path}: stop it first, ${what}`, { cause })
  }
}
