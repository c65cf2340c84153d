import { AsyncLocalStorage } from 'node:async_hooks'
import { randomInt } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { Tracer } from '../core/measure.ts'
import { requestId } from '../http/requestId.ts'
import { addressOf, proxyTest } from '../http/sourceAddress.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { pathOf, type Watched } from '../server/requestLog.ts'
import { newSpan, readTraceparent, type Span, type SpanParent } from './span.ts'
import type { TraceConfig } from './traceConfig.ts'
import { createTraceExport } from './traceExport.ts'

/** Traces of what this process does. Where none are kept there is no such object, and nothing costs anything. */
export interface Traces {
  /** The same listener, within a span of each request. */
  listener(listen: RequestListener): RequestListener
  /** The same report, which also ends the span of the request. */
  finished(report: (request: Watched) => void): (request: Watched) => void
  /** For the stages of orders. */
  stage: Tracer
  /** Runs something within a span of its own. */
  traced<T>(name: string, attributes: Record<string, string>, work: () => Promise<T>): Promise<T>
  /** Notes from where a job comes; on this node it then belongs to the same trace. */
  enqueued(kind: string, ref: string): void
  /** Runs a job within a span. */
  job(kind: string, ref: string, run: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

const LONGEST = 200
/** Jobs of which it is known where they come from. */
const JOBS = 10_000
const SHARES = 1_000_000

export interface TracesOptions {
  config: TraceConfig
  trustedProxies: readonly string[]
  log: Log
  metrics: Metrics
}

export function createTraces({ config, trustedProxies, log, metrics }: TracesOptions): Traces {
  const sink = createTraceExport(config, log)
  metrics.counters(
    'trace_spans_total',
    'Spans of traces: exported, dropped since too many waited, failed',
    ['outcome'],
    async () => Object.entries(sink.counts).map(([outcome, value]) => ({ labels: [outcome], value })),
  )
  const current = new AsyncLocalStorage<Span>()
  const ofRequest = new WeakMap<IncomingMessage, Span>()
  const isProxy = proxyTest(trustedProxies)
  const end = (span: Span, failed: boolean) => sink.add({ ...span, ended: performance.now(), failed })
  const sampled = () => config.ratio === 1 || randomInt(SHARES) < config.ratio * SHARES

  /** Whoever is no proxy of ours joins no trace of ours, nor has one kept. */
  function begin(incoming: IncomingMessage): Span | undefined {
    const direct = addressOf(incoming.socket)
    const parent = direct !== undefined && isProxy(direct) ? readTraceparent(incoming.headers.traceparent) : undefined
    if (!(parent && config.byParent ? parent.sampled : sampled())) return undefined
    return newSpan(incoming.method ?? '', 'server', performance.now(), parent)
  }
  async function within<T>(span: Span, work: () => Promise<T>): Promise<T> {
    try {
      const value = await current.run(span, work)
      end(span, false)
      return value
    } catch (error) {
      end(span, true)
      throw error
    }
  }
  const jobs = rememberJobs()
  return {
    listener: (listen) => (incoming, outgoing) => {
      const span = begin(incoming)
      if (!span) return listen(incoming, outgoing)
      ofRequest.set(incoming, span)
      current.run(span, () => listen(incoming, outgoing))
    },
    finished: (report) => (watched) => {
      report(watched)
      const span = ofRequest.get(watched.incoming)
      // Probes say nothing of orders.
      if (!span || watched.protocol === 'server') return
      const { incoming, outgoing, protocol, listener } = watched
      span.name = `${incoming.method} ${protocol}`
      Object.assign(span.attributes, {
        'http.request.method': incoming.method ?? '',
        'url.path': pathOf(incoming).slice(0, LONGEST),
        'http.response.status_code': outgoing.statusCode,
        'countersign.protocol': protocol,
        'countersign.listener': listener,
        'countersign.request': requestId(incoming),
      })
      end(span, outgoing.statusCode >= 500)
    },
    stage(stage, began, attributes) {
      const parent = current.getStore()
      if (parent) end({ ...newSpan(stage, 'internal', began, parent), attributes }, false)
    },
    traced(name, attributes, work) {
      const parent = current.getStore()
      if (!parent) return work()
      return within({ ...newSpan(name, 'client', performance.now(), parent), attributes }, work)
    },
    enqueued(kind, ref) {
      const parent = current.getStore()
      if (parent) jobs.note(`${kind} ${ref}`, parent)
    },
    job(kind, ref, run) {
      const parent = jobs.take(`${kind} ${ref}`)
      if (!parent && !sampled()) return run()
      return within(newSpan(`job ${kind}`, 'internal', performance.now(), parent), run)
    },
    close: sink.close,
  }
}

/** Bounded: what was noted longest ago goes first. */
function rememberJobs() {
  const known = new Map<string, SpanParent>()
  return {
    note(key: string, { traceId, spanId }: SpanParent) {
      known.delete(key)
      known.set(key, { traceId, spanId })
      const [oldest] = known.size > JOBS ? known.keys() : []
      if (oldest !== undefined) known.delete(oldest)
    },
    take(key: string): SpanParent | undefined {
      const parent = known.get(key)
      known.delete(key)
      return parent
    },
  }
}
