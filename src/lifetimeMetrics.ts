import { shardName } from './core/indirectCrl.ts'
import type { Installation } from './core/installation.ts'
import { type Lifetime, revocationLifetimes } from './core/lifetime.ts'
import type { GaugeValue, Metrics } from './metrics.ts'

/** Until when CRLs and OCSP responders are good, and how many are closer to their end than they should be. */
export function countLifetimes(metrics: Metrics, it: Installation): void {
  const read = async (kinds: Lifetime['kind'][], labels: (lifetime: Lifetime) => string[]): Promise<GaugeValue[]> => {
    const all = await revocationLifetimes(it.db, it.clock())
    return all.flatMap((lifetime) =>
      kinds.includes(lifetime.kind) && lifetime.until
        ? [{ labels: labels(lifetime), value: lifetime.until.getTime() / 1000 }]
        : [],
    )
  }
  metrics.gauges(
    'crl_next_update_timestamp_seconds',
    'nextUpdate of the newest CRL of each shard of an authority',
    ['authority', 'certificate', 'shard', 'delta'],
    () =>
      read(['crl', 'delta'], ({ authority, issuer, shard, kind }) => [
        authority,
        String(issuer),
        shardName(shard ?? 0),
        String(kind === 'delta'),
      ]),
  )
  metrics.gauges(
    'ocsp_responder_not_after_timestamp_seconds',
    'End of the OCSP responder of an authority',
    ['authority', 'certificate'],
    () => read(['responder'], ({ authority, issuer }) => [authority, String(issuer)]),
  )
  metrics.gauges(
    'revocation_answers_late',
    'CRLs and OCSP responders that are missing, have ended, or are closer to their end than they should be',
    ['authority'],
    async () => lateByAuthority(await revocationLifetimes(it.db, it.clock())),
  )
}

function lateByAuthority(all: Lifetime[]): GaugeValue[] {
  const late = new Map<string, number>()
  for (const { authority, state } of all) late.set(authority, (late.get(authority) ?? 0) + (state === 'ok' ? 0 : 1))
  return [...late].map(([authority, value]) => ({ labels: [authority], value }))
}
