import type { IncomingMessage } from 'node:http'
import { type HttpAnswer, plain, problem } from '../http/answer.ts'
import { addressOf, isForwarded, type SourceAddress } from '../http/sourceAddress.ts'
import type { Metrics } from '../metrics.ts'
import { ipInNetwork, parseIp } from '../pki/identifier.ts'

export interface ProbeOptions {
  ready: () => Promise<boolean>
  metrics: Metrics
  /** Addresses and networks that may read /metrics. */
  metricsNetworks: readonly string[]
  sourceAddress: SourceAddress
}

/** Answers /healthz, /readyz and /metrics; undefined for every other path. */
export type Probes = (path: string, incoming: IncomingMessage) => Promise<HttpAnswer> | undefined

/** Milliseconds: whoever asks has a limit of his own, and "not yet" is an answer. */
const READY_TIMEOUT = 4_000

export function createProbes(options: ProbeOptions): Probes {
  const readiness = createReadiness(options.ready)
  const paths: Record<string, (incoming: IncomingMessage) => Promise<HttpAnswer>> = {
    // That it answers is the answer.
    '/healthz': async () => plain(200, 'ok'),
    '/readyz': async () =>
      (await readiness()) ? plain(200, 'ready') : plain(503, 'not ready', { 'Retry-After': '5' }),
    '/metrics': async (incoming) => {
      if (!mayReadMetrics(options, incoming))
        return problem(403, 'metrics are shown only to the addresses in COUNTERSIGN_METRICS_NETWORKS')
      return plainMetrics(await options.metrics.text(), options.metrics.contentType)
    },
  }
  return (path, incoming) => {
    const probe = Object.hasOwn(paths, path) ? paths[path] : undefined
    if (!probe) return undefined
    if (incoming.method === 'GET' || incoming.method === 'HEAD') return probe(incoming)
    return Promise.resolve(problem(405, `${path} takes GET`, { Allow: 'GET, HEAD' }))
  }
}

function plainMetrics(body: string, contentType: string): HttpAnswer {
  return { status: 200, headers: { 'Content-Type': contentType, 'Cache-Control': 'no-store' }, body }
}

/** Asks once for all who wait: a probe must not be a way to keep the database busy. */
function createReadiness(ready: () => Promise<boolean>): () => Promise<boolean> {
  let asking: Promise<boolean> | undefined
  return () => {
    asking ??= within(ready(), READY_TIMEOUT)
      .catch(() => false)
      .finally(() => {
        asking = undefined
      })
    return asking
  }
}

function within(answer: Promise<boolean>, milliseconds: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(false), milliseconds).unref()
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** A proxy on this machine that is not named as one makes everybody look local: then nobody is. */
function mayReadMetrics({ sourceAddress, metricsNetworks }: ProbeOptions, incoming: IncomingMessage): boolean {
  const address = sourceAddress(incoming)
  const ip = address === undefined ? undefined : parseIp(address)
  if (!ip || (isForwarded(incoming) && address === addressOf(incoming.socket))) return false
  return metricsNetworks.some((network) => ipInNetwork(ip, network))
}
