import type { Config } from '../../config.ts'
import { Failure } from '../../core/failure.ts'
import * as doctor from '../operations/doctor.ts'
import { callSocket } from '../socketClient.ts'
import { socketPath } from '../socketPath.ts'

/** Throws Failure('conflict') while a server runs on the data folder. */
export async function requireStopped({ dataFolder }: Pick<Config, 'dataFolder'>, what: string): Promise<void> {
  const path = socketPath(dataFolder)
  const answer = await callSocket({ path, operation: doctor.server.name, input: {}, credentials: undefined })
  if (answer) throw new Failure('conflict', `a server runs on ${dataFolder}: stop it first, ${what}`)
}
