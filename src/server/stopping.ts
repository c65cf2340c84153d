import { endLog, type Log } from '../log.ts'

/** In order on the first SIGTERM or SIGINT, at once on the second: `stop` may have much to wait for. */
export function stopOnSignals(log: Log, stop: () => Promise<void>, fail: (error: unknown) => never): void {
  let stopping = false
  const signalled = (signal: NodeJS.Signals) => {
    if (stopping) {
      log.warn({ signal }, 'ended at once: what was under way is cut off')
      process.exit(1)
    }
    stopping = true
    log.info({ signal }, 'stopping')
    stop()
      .then(() => endLog(log))
      .then(() => process.exit(0), fail)
  }
  process.on('SIGTERM', signalled)
  process.on('SIGINT', signalled)
}
