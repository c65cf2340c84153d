import { join } from 'node:path'
import { Failure } from '../core/failure.ts'
import { DatabaseHeld, type Hold, hold, untilFree } from '../db/hold.ts'
import { makeFolder } from './place.ts'

/** Milliseconds for which a process that ends just now is waited for. */
const MOMENT = 1_000

/**
 * Takes a data folder, which is made if it is not there, for this process until it ends: a server, or what replaces what is in it. Throws Failure('conflict')
 * where another one has it.
 */
export function claimFolder(dataFolder: string): Promise<Hold> {
  makeFolder(dataFolder)
  return claim(join(dataFolder, 'countersign'), `another server, or a restore, works on the data folder ${dataFolder}`)
}

/** As hold, for a moment waited for. Throws Failure('conflict') with `told` where another process has it. */
export async function claim(path: string, told: string): Promise<Hold> {
  try {
    return await untilFree(
      () => hold(path),
      MOMENT,
      () => {},
    )
  } catch (cause) {
    throw cause instanceof DatabaseHeld ? new Failure('conflict', told, { cause }) : cause
  }
}
