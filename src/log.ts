import { destination, type Logger, pino, symbols } from 'pino'

export type Log = Logger

/** Lines of JSON on standard error; `silent` in tests. */
export function createLog(level: string): Log {
  return pino({ level, base: null }, destination({ fd: 2, sync: false }))
}

/** Milliseconds for whoever reads the log, and may have stopped. */
const PATIENCE = 2_000

/** Until all lines are written. The last thing before the process ends: nothing is logged any more after it. */
export function endLog(log: Log): Promise<void> {
  const stream = (log as Log & { [symbols.streamSym]: ReturnType<typeof destination> })[symbols.streamSym]
  return new Promise((resolve) => {
    const late = setTimeout(resolve, PATIENCE)
    stream.once('close', () => {
      clearTimeout(late)
      resolve()
    })
    stream.end()
  })
}
