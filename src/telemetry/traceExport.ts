import { postWebhook } from '../http/webhookPost.ts'
import type { Log } from '../log.ts'
import { type EndedSpan, otlpJson } from './span.ts'
import type { TraceConfig } from './traceConfig.ts'

/** Spans that wait; more are dropped. Some megabytes at most. */
const ROOM = 4_096
const BATCH = 512
const EVERY = 2_000
const TIME_OUT = 5_000
/** Milliseconds between two lines of the log about a collector that does not answer. */
const TOLD_EVERY = 60_000

export interface TraceExport {
  /** Never throws, and never waits. */
  add(span: EndedSpan): void
  counts: Readonly<Record<'exported' | 'dropped' | 'failed', number>>
  /** Sends what waits, for some seconds at most. */
  close(): Promise<void>
}

/** Sends spans to a collector in batches, one at a time. One that does not take them loses them: orders never wait for it. */
export function createTraceExport({ url, headers, resource }: TraceConfig, log: Log): TraceExport {
  const counts = { exported: 0, dropped: 0, failed: 0 }
  let waiting: EndedSpan[] = []
  let sending: Promise<void> | undefined
  let toldAt = Number.NEGATIVE_INFINITY

  async function send(): Promise<void> {
    const batch = waiting.slice(0, BATCH)
    waiting = waiting.slice(BATCH)
    try {
      await postWebhook({ url, headers, body: otlpJson(batch, resource) }, TIME_OUT)
      counts.exported += batch.length
    } catch (error) {
      counts.failed += batch.length
      if (performance.now() - toldAt < TOLD_EVERY) return
      toldAt = performance.now()
      log.warn({ err: error, spans: batch.length }, 'traces could not be sent to the collector')
    }
  }
  function flush(): Promise<void> {
    if (waiting.length === 0) return sending ?? Promise.resolve()
    sending ??= send().finally(() => {
      sending = undefined
    })
    return sending
  }
  const timer = setInterval(() => void flush(), EVERY).unref()
  return {
    counts,
    add(span) {
      if (waiting.length >= ROOM) {
        counts.dropped++
        return
      }
      waiting.push(span)
      if (waiting.length >= BATCH) void flush()
    },
    async close() {
      clearInterval(timer)
      await flush()
      await flush()
      counts.dropped += waiting.length
      waiting = []
    },
  }
}
