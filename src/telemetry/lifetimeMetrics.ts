import { shardName } from '../core/authority/indirectCrl.ts'
import type { Installation } from '../core/installation.ts'
import { type Lifetime, revocationLifetimes } from '../core/ocsp/lifetime.ts'
import type { GaugeValue, Metrics } from '../metrics.ts'
import { atMostEvery } from './stateMetrics.ts'

/** Milliseconds for which what was read stands. */
const KEPT = 2_000
const ofCrl = ['authority', 'certificate', 'shard', 'delta'] as const

/** Of when, and until when, CRLs and OCSP responders are, how large, and how many are closer to their end than they should be. */
export function countLifetimes(metrics: Metrics, it: Installation): void {
  const all = atMostEvery(KEPT, () => revocationLifetimes(it.db, it.clock()))
  const crls = (name: string, help: string, value: (crl: Lifetime) => number | undefined) =>
    metrics.gauges(name, help, ofCrl, async () =>
      (await all()).flatMap((lifetime) => {
        const { kind, authority, issuer, shard = 0 } = lifetime
        const read = value(lifetime)
        if (kind === 'responder' || read === undefined) return []
        return [{ labels: [authority, String(issuer), shardName(shard), String(kind === 'delta')], value: read }]
      }),
    )
  crls('crl_next_update_timestamp_seconds', 'nextUpdate of the newest CRL of each shard of an authority', ({ until }) =>
    seconds(until),
  )
  crls('crl_this_update_timestamp_seconds', 'thisUpdate of the newest CRL of each shard of an authority', ({ since }) =>
    seconds(since),
  )
  crls(
    'crl_size_bytes',
    'Octets of the newest CRL of each shard; none for one that is only in memory',
    ({ octets }) => octets,
  )
  metrics.gauges(
    'ocsp_responder_not_after_timestamp_seconds',
    'End of the OCSP responder of an authority',
    ['authority', 'certificate'],
    async () =>
      (await all()).flatMap(({ kind, authority, issuer, until }) =>
        kind === 'responder' && until ? [{ labels: [authority, String(issuer)], value: until.getTime() / 1000 }] : [],
      ),
  )
  metrics.gauges(
    'revocation_answers_late',
    'CRLs and OCSP responders that are missing, have ended, or are closer to their end than they should be',
    ['authority'],
    async () => lateByAuthority(await all()),
  )
}

const seconds = (at: Date | undefined): number | undefined => at && at.getTime() / 1_000

function lateByAuthority(all: Lifetime[]): GaugeValue[] {
  const late = new Map<string, number>()
  for (const { authority, state } of all) late.set(authority, (late.get(authority) ?? 0) + (state === 'ok' ? 0 : 1))
  return [...late].map(([authority, value]) => ({ labels: [authority], value }))
}
