import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { type HistogramFamily, histogramText } from './telemetry/histogramText.ts'

/** What the server counts about itself, in the text format of Prometheus at /metrics. */
export interface Metrics {
  /** One answered request. `code`: the HTTP status, or `aborted` when the client had gone before the answer. */
  request(protocol: string, code: string, seconds: number): void
  /** A counter whose value is read when it is asked for, for what is counted elsewhere. */
  derived(name: string, help: string, read: () => number | Promise<number>): void
  /** As derived, with labels. */
  counters(name: string, help: string, labels: readonly string[], read: () => Promise<GaugeValue[]>): void
  /** Durations that are counted elsewhere. */
  histograms(family: HistogramFamily): void
  /** A gauge whose values, one for each set of labels, are read when they are asked for. */
  gauges(name: string, help: string, labels: readonly string[], read: () => Promise<GaugeValue[]>): void
  contentType: string
  text(): Promise<string>
}

/** `labels` in the order in which they were named. */
export interface GaugeValue {
  labels: string[]
  value: number
}

/** Milliseconds: whoever scrapes has a limit of his own. */
const READ_TIMEOUT = 2_000

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const answered = answeredRequests()
  const histograms: HistogramFamily[] = [answered.durations]
  const unread = new Set<string>()
  // A database that is away, or slow, takes no other figure with it.
  const readable = (name: string, read: () => Promise<GaugeValue[]>) => async (): Promise<GaugeValue[]> => {
    try {
      const values = await inTime(read(), READ_TIMEOUT)
      unread.delete(name)
      return values
    } catch {
      unread.add(name)
      return []
    }
  }
  const counters: Metrics['counters'] = (name, help, labelNames, read) => {
    const readNow = readable(name, read)
    new Counter({
      name,
      help,
      labelNames,
      registers,
      async collect() {
        const values = await readNow()
        this.reset()
        for (const { labels, value } of values) this.labels(...labels).inc(value)
      },
    })
  }
  counters('http_requests_total', 'Requests answered', ['protocol', 'code'], answered.counts)
  return {
    request: answered.add,
    counters,
    derived(name, help, read) {
      new Counter({
        name,
        help,
        registers,
        async collect() {
          const value = await read()
          this.reset()
          this.inc(value)
        },
      })
    },
    histograms: (family) => void histograms.push(family),
    gauges(name, help, labelNames, read) {
      const readNow = readable(name, read)
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        async collect() {
          const values = await readNow()
          this.reset()
          for (const { labels, value } of values) this.labels(...labels).set(value)
        },
      })
    },
    contentType: registry.contentType,
    text: async () => [await registry.metrics(), ...histograms.map(histogramText), unreadText(unread.size)].join('\n'),
  }
}

function unreadText(value: number): string {
  return `# HELP metrics_unread Families of metrics that could not be read in time at this scrape\n# TYPE metrics_unread gauge\nmetrics_unread ${value}\n`
}

function inTime<T>(answer: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it took too long')), milliseconds).unref()
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** Upper ends, in seconds. */
const ENDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** Every request is counted, and one that OCSP answers from memory costs little more: the library's counters took 0.6 µs of it, these take a tenth. */
function answeredRequests() {
  const served = new Map<string, { codes: Map<string, number>; counts: number[]; sum: number }>()

  function begin(protocol: string) {
    const its = { codes: new Map<string, number>(), counts: Array<number>(ENDS.length + 1).fill(0), sum: 0 }
    served.set(protocol, its)
    return its
  }

  const durations: HistogramFamily = {
    name: 'http_request_duration_seconds',
    help: 'Time from the end of the headers to the last octet of the answer handed to the system',
    labels: ['protocol'],
    ends: ENDS,
    read: () => [...served].map(([protocol, { counts, sum }]) => ({ labels: [protocol], counts, sum })),
  }
  return {
    durations,
    add(protocol: string, code: string, seconds: number): void {
      const its = served.get(protocol) ?? begin(protocol)
      its.codes.set(code, (its.codes.get(code) ?? 0) + 1)
      let at = 0
      while (at < ENDS.length && seconds > (ENDS[at] ?? 0)) at++
      its.counts[at] = (its.counts[at] ?? 0) + 1
      its.sum += seconds
    },
    counts: async (): Promise<GaugeValue[]> =>
      [...served].flatMap(([protocol, { codes }]) =>
        [...codes].map(([code, value]) => ({ labels: [protocol, code], value })),
      ),
  }
}
