import type { Installation } from '../core/installation.ts'
import { authorityEnds, expiringCertificates, readBacklog, type Waiting } from '../core/upkeep/backlog.ts'
import type { GaugeValue, Metrics } from '../metrics.ts'

/** Milliseconds for which what was read from the database stands for the next scrapes: several may ask. */
const KEPT = 5_000

/** What the database says of the installation, the same on every node. Each part is read at most once in some seconds. */
export function exposeState(metrics: Metrics, it: Installation): void {
  const backlog = atMostEvery(KEPT, () => readBacklog(it))
  const family = (name: string, help: string, labels: string[], values: () => Promise<GaugeValue[]>) =>
    metrics.gauges(name, help, labels, values)
  const waiting = (name: string, help: string, labels: string[], read: () => Promise<Waiting[]>) => {
    const values = (of: 'count' | 'seconds') => async () =>
      (await read()).map((one) => ({ labels: labels.length === 0 ? [] : one.what.split(' '), value: one[of] }))
    family(`${name}_waiting`, `${help}, ten thousand at most`, labels, values('count'))
    family(`${name}_oldest_seconds`, `${help}: how long the one that waits longest has`, labels, values('seconds'))
  }
  waiting('jobs', 'Jobs whose time has come', ['kind'], async () => (await backlog()).jobs)
  waiting(
    'requests',
    'Orders and revocations that wait: requested for people, signing and revoking for an authority',
    ['kind', 'status'],
    async () => (await backlog()).requests,
  )
  waiting('audit_events', 'Audit events that are not sealed', [], async () => [(await backlog()).audit])
  waiting('webhook_deliveries', 'Messages to webhooks that are not delivered', [], async () => [
    (await backlog()).deliveries,
  ])
  family(
    'webhook_events_behind',
    'Audit events that the endpoint furthest behind has not been told of',
    [],
    async () => [{ labels: [], value: (await backlog()).deliveries.behind }],
  )
  family('search_changes_waiting', 'Changes that lists do not find yet, ten thousand at most', [], async () => [
    { labels: [], value: (await backlog()).search },
  ])
  family('alerts_open', 'Open alerts by kind', ['kind'], async () =>
    (await backlog()).alerts.map(({ kind, count }) => ({ labels: [kind], value: count })),
  )
  const expiring = atMostEvery(KEPT * 6, () => expiringCertificates(it))
  family(
    'certificates_expiring',
    'Certificates that are not revoked and end within so many days, ten thousand at most',
    ['days'],
    async () => (await expiring()).map(({ days, count }) => ({ labels: [String(days)], value: count })),
  )
  const ends = atMostEvery(KEPT, () => authorityEnds(it))
  family(
    'authority_not_after_timestamp_seconds',
    'End of the certificate by which an authority signs',
    ['authority'],
    async () => (await ends()).map(({ authority, until }) => ({ labels: [authority], value: until.getTime() / 1_000 })),
  )
}

/** Asks once for all who ask within so many milliseconds. What failed is asked again. */
export function atMostEvery<T>(milliseconds: number, read: () => Promise<T>): () => Promise<T> {
  let kept: { until: number; answer: Promise<T> } | undefined
  return () => {
    const now = performance.now()
    if (kept && now < kept.until) return kept.answer
    const answer = read()
    const mine = { until: now + milliseconds, answer }
    kept = mine
    answer.catch(() => {
      if (kept === mine) kept = undefined
    })
    return answer
  }
}
