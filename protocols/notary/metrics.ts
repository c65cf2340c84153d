import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Host } from '../../src/protocol.ts'
import { anybody } from './authenticate.ts'
import { listRows } from './requestRow.ts'
import { type Current, currentOf } from './requestState.ts'

const DAY = 86_400_000
/** Whoever scrapes more often gets the same figures: each costs a look at every request. */
const GOOD_FOR = 60_000
/** How much longer than they took to count the figures are good: nobody needs a token to have them counted. */
const REST = 100
/** Between so many the event loop turns. */
const AT_ONCE = 20
/** The newest ones; what is older counts no more. */
const MOST_COUNTED = 5000

/** What the contract counts, over all organizations, in the text format of Prometheus. */
export interface NotaryMetrics {
  contentType: string
  /** One answered call. */
  answered(method: string, status: number, seconds: number): void
  text(): Promise<string>
}

export function createNotaryMetrics(host: Host): NotaryMetrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Calls answered',
    labelNames: ['method', 'status'],
    registers,
  })
  const durations = new Histogram({ name: 'http_request_duration_seconds', help: 'Time of a call', registers })
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const all = gauge('certificate_requests', 'Certificate requests')
  const outstanding = gauge('outstanding_certificate_requests', 'Certificate requests that wait')
  const certificates = gauge('certificates', 'Certificates that are not revoked')
  const expired = gauge('certificates_expired', 'Certificates that have expired')
  const expiring = [1, 7, 30, 90].map((days) => ({
    days,
    gauge: gauge(`certificates_expiring_in_${days}_days`, `Certificates that expire within ${days} days`),
  }))
  let goodUntil: number | undefined
  let counting: Promise<void> | undefined

  async function count(): Promise<void> {
    const now = host.clock().getTime()
    const began = performance.now()
    const found = await currentRequests(host)
    const ends = found.flatMap(({ status, certificate }) =>
      status === 'Active' && certificate ? [certificate.notAfter.getTime()] : [],
    )
    all.set(found.length)
    outstanding.set(found.filter(({ status }) => status === 'Outstanding').length)
    certificates.set(ends.length)
    expired.set(ends.filter((end) => end <= now).length)
    for (const { days, gauge } of expiring) gauge.set(ends.filter((end) => end > now && end <= now + days * DAY).length)
    goodUntil = now + Math.max(GOOD_FOR, REST * (performance.now() - began))
  }

  /** The first figures are waited for; later ones are counted while the last ones are shown. */
  async function fresh(): Promise<void> {
    if (goodUntil !== undefined && host.clock().getTime() < goodUntil) return
    counting ??= count().finally(() => {
      counting = undefined
    })
    if (goodUntil === undefined) return counting
    counting.catch((error: unknown) => host.log.warn({ err: error }, 'the metrics of Notary were not counted'))
  }

  return {
    contentType: registry.contentType,
    answered(method, status, seconds) {
      requests.inc({ method, status: String(status) })
      durations.observe(seconds)
    },
    async text() {
      await fresh()
      return registry.metrics()
    },
  }
}

async function currentRequests(host: Host): Promise<Current[]> {
  const door = host.core.as(anybody(host))
  const found: Current[] = []
  for (const [at, row] of (await listRows(host.db, MOST_COUNTED)).entries()) {
    if (at % AT_ONCE === AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve))
    const current = await currentOf(door, row)
    if (current) found.push(current)
  }
  return found
}
