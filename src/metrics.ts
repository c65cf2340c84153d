import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
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
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests answered',
    labelNames: ['protocol', 'code'],
    registers,
  })
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the end of the headers to the last octet of the answer handed to the system',
    labelNames: ['protocol'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  })
  const histograms: HistogramFamily[] = []
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
  // Looking a child up by its labels costs more than counting.
  const counts = kept((key) => {
    const [protocol = '', code = ''] = key.split(' ')
    return requests.labels(protocol, code)
  })
  const times = kept((protocol) => durations.labels(protocol))
  return {
    request(protocol, code, seconds) {
      counts(`${protocol} ${code}`).inc()
      times(protocol).observe(seconds)
    },
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
    counters(name, help, labelNames, read) {
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

function kept<T>(make: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return (key) => {
    let value = known.get(key)
    if (value === undefined) {
      value = make(key)
      known.set(key, value)
    }
    return value
  }
}
