import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What the server counts about itself, in the text format of Prometheus at /metrics. */
export interface Metrics {
  /** One answered request. `code`: the HTTP status, or `aborted` when the client had gone before the answer. */
  request(protocol: string, code: string, seconds: number): void
  /** A counter whose value is read when it is asked for, for what is counted elsewhere. */
  derived(name: string, help: string, read: () => number | Promise<number>): void
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
    gauges(name, help, labelNames, read) {
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        async collect() {
          const values = await read()
          this.reset()
          for (const { labels, value } of values) this.labels(...labels).set(value)
        },
      })
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
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
