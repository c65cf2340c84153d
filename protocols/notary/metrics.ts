import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Host } from '../../src/protocol.ts'
import { anybody } from './authenticate.ts'
import { listRows } from './requestRow.ts'
import { type Current, currentOf } from './requestState.ts'

const DAY = 86_400_000
/** Whoever scrapes more often gets the same figures: each costs a look at every request. */
const GOOD_FOR = 60_000
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
  let countedAt = Number.NEGATIVE_INFINITY

  async function count(): Promise<void> {
    const now = host.clock().getTime()
    if (now - countedAt < GOOD_FOR) return
    countedAt = now
    const found = await currentRequests(host)
    const ends = found.flatMap(({ status, certificate }) =>
      status === 'Active' && certificate ? [certificate.notAfter.getTime()] : [],
    )
    all.set(found.length)
    outstanding.set(found.filter(({ status }) => status === 'Outstanding').length)
    certificates.set(ends.length)
    expired.set(ends.filter((end) => end <= now).length)
    for (const { days, gauge } of expiring) gauge.set(ends.filter((end) => end > now && end <= now + days * DAY).length)
  }

  return {
    contentType: registry.contentType,
    answered(method, status, seconds) {
      requests.inc({ method, status: String(status) })
      durations.observe(seconds)
    },
    async text() {
      await count()
      return registry.metrics()
    },
  }
}

async function currentRequests(host: Host): Promise<Current[]> {
  const door = host.core.as(anybody(host))
  const found: Current[] = []
  for (const row of await listRows(host.db, MOST_COUNTED)) {
    const current = await currentOf(door, row)
    if (current) found.push(current)
  }
  return found
}
