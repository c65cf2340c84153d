import { ValidationFailure } from './outcome.ts'

/** The time that one validation has, retries and redirects included. Everything that waits must be stopped by it. */
export interface Deadline {
  /** Milliseconds that are left; 0 once it is over. */
  remaining(): number
  /** Calls `stop` once, with the reason, when time is up or the caller has aborted. The answer takes the call back. */
  onEnd(stop: (why: ValidationFailure) => void): () => void
  /** Resolves after `ms`; rejects with the reason if the end comes first. */
  pause(ms: number): Promise<void>
  /** The outcome of the work, or the reason of the end if the work has not ended by then. */
  within<T>(work: Promise<T>): Promise<T>
  /** Frees the timer, and stops whatever still runs. */
  close(): void
}

export function createDeadline(timeoutMs: number, signal?: AbortSignal): Deadline {
  const endsAt = performance.now() + timeoutMs
  const stops = new Set<(why: ValidationFailure) => void>()
  let over: ValidationFailure | undefined
  const end = (why: ValidationFailure) => {
    over ??= why
    for (const stop of [...stops]) if (stops.delete(stop)) stop(over)
  }
  const timer = setTimeout(
    () => end(new ValidationFailure('connection', `no answer within ${seconds(timeoutMs)}`, true)),
    timeoutMs,
  )
  const aborted = () =>
    end(new ValidationFailure('serverInternal', 'the validation was stopped; it can be tried again', true))
  signal?.addEventListener('abort', aborted, { once: true })
  if (signal?.aborted) aborted()

  const onEnd: Deadline['onEnd'] = (stop) => {
    if (over) stop(over)
    else stops.add(stop)
    return () => stops.delete(stop)
  }
  return {
    remaining: () => (over ? 0 : Math.max(0, endsAt - performance.now())),
    onEnd,
    pause: (ms) =>
      new Promise((resolve, reject) => {
        const wait = setTimeout(() => {
          release()
          resolve()
        }, ms)
        const release = onEnd((why) => {
          clearTimeout(wait)
          reject(why)
        })
      }),
    within: (work) =>
      new Promise((resolve, reject) => {
        // Whoever waits inside stops at the same moment, and can tell more: a turn is left for that.
        const release = onEnd((why) => setImmediate(reject, why))
        work.finally(release).then(resolve, reject)
      }),
    close() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
      if (stops.size > 0) end(new ValidationFailure('serverInternal', 'the validation is over'))
    },
  }
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`
}
