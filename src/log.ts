import { destination, type Logger, pino } from 'pino'

export type Log = Logger

/** Lines of JSON on standard error; `silent` in tests. */
export function createLog(level: string): Log {
  return pino({ level, base: null }, destination({ fd: 2, sync: false }))
}
