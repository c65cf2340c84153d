import { allPlaces } from '../core/places.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Admission } from './admission.ts'
import type { Connections } from './connections.ts'
import type { PaceWatch } from './pace.ts'

/** Milliseconds between two lines about what was refused. */
const EVERY = 10_000

export interface Watches {
  admission: Admission
  connections: Connections
  pace: PaceWatch
}

/** What the bounds of the server hold and what they have refused, for /metrics. */
export function countOverload(metrics: Metrics, { admission, connections, pace }: Watches): void {
  const level = (name: string, help: string, read: () => number) =>
    metrics.gauges(name, help, [], async () => [{ labels: [], value: read() }])
  level('http_requests_under_way', 'Requests that have a place', () => admission.underWay)
  level('http_connections_open', 'Connections of all listeners', () => connections.count)
  level('http_body_octets_held', 'Octets of bodies of requests under way', () => admission.octets)
  metrics.gauges('work_running', 'Work that is bounded, by kind: what runs', ['kind'], async () =>
    allPlaces().map(({ name, running }) => ({ labels: [name], value: running })),
  )
  metrics.gauges('work_waiting', 'Work that is bounded, by kind: what waits for its turn', ['kind'], async () =>
    allPlaces().map(({ name, waiting }) => ({ labels: [name], value: waiting })),
  )
  const { refused } = admission
  const help =
    'Requests for which there was no place: server has none left, protocol none of its own, address has its share under way, bodies fill their room'
  counted(metrics, ['http_requests_refused_total', help], refused)
  const connected = 'Connections for which there was no place: server has none left, address has its share'
  counted(metrics, ['http_connections_refused_total', connected], connections.refused)
  const slow = 'Connections closed because the client took its answer too slowly'
  metrics.derived('http_slow_readers_total', slow, () => pace.cut)
}

function counted(metrics: Metrics, [name, help]: [string, string], counts: Readonly<Record<string, number>>): void {
  metrics.counters(name, help, ['for'], async () =>
    Object.entries(counts).map(([what, value]) => ({ labels: [what], value })),
  )
}

/** One line now and then, with sums: a line for each refusal would be the next flood. Call the answer to end it. */
export function tellOverload(log: Log, watches: Watches): () => void {
  let before = sums(watches)
  const timer = setInterval(() => {
    const now = sums(watches)
    const news = Object.entries(now).map(([what, count]) => [what, count - (before[what] ?? 0)] as const)
    before = now
    const refused = Object.fromEntries(news.filter(([, count]) => count > 0))
    if (Object.keys(refused).length > 0) log.warn({ refused, seconds: EVERY / 1000 }, 'overload: some were refused')
  }, EVERY).unref()
  return () => clearInterval(timer)
}

function sums({ admission, connections, pace }: Watches): Record<string, number> {
  const { server, protocol, address, bodies } = admission.refused
  return {
    requests: server,
    requestsOfOneProtocol: protocol,
    requestsOfOneAddress: address,
    bodies,
    connections: connections.refused.server,
    connectionsOfOneAddress: connections.refused.address,
    slowReaders: pace.cut,
  }
}
