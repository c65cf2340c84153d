import { Resolver, lookup as systemLookup } from 'node:dns/promises'
import { setMaxListeners } from 'node:events'
import type { DiscoveryReach, Look } from '../core/discovery/discoveryReach.ts'
import { runDiscoveries } from '../core/discovery/discoveryRun.ts'
import type { Installation } from '../core/installation.ts'
import { type NetworkPolicy, parseNetworkPolicy } from '../http/networks.ts'
import { formatIp, parseIp } from '../pki/identifier.ts'
import type { Chore } from '../protocol.ts'
import { lookAtFiles } from './certificateFolder.ts'
import { lookAtTls } from './tlsLook.ts'

export interface ReachConfig {
  /** Which networks may be reached, in the notation of http/networks.ts. */
  networks: string
  /** Name servers, separated by commas; absent: as the system resolves names. */
  resolver?: string
  /** The one folder below which files are looked at; absent: none is. */
  folder?: string
  /** Milliseconds, each for one connection; for tests. */
  connectTimeout?: number
  handshakeTimeout?: number
}

const LOOKUP_TIMEOUT = 3_000
const CONNECT_TIMEOUT = 3_000
const HANDSHAKE_TIMEOUT = 5_000
/** Of one name. */
const MOST_ADDRESSES = 2

/** Looks at servers within the networks that validation may reach, and at files below one folder. */
export function discoveryReach(config: ReachConfig): DiscoveryReach {
  const networks = parseNetworkPolicy(config.networks)
  const addressesOf = config.resolver === undefined ? systemAddresses() : resolverAddresses(config.resolver)
  const { connectTimeout = CONNECT_TIMEOUT, handshakeTimeout = HANDSHAKE_TIMEOUT, folder } = config
  const stopping = new AbortController()
  const { signal } = stopping
  // Each look that is under way listens.
  setMaxListeners(0, signal)
  const timing = { connectTimeout, handshakeTimeout, signal }
  return {
    get stopped() {
      return signal.aborted
    },
    stop: () => stopping.abort(),
    async server(host, port) {
      const literal = parseIp(host)
      const found = literal ? [formatIp(literal)] : await resolved(host, addressesOf)
      if (typeof found === 'string') return { outcome: 'unreachable', detail: found }
      const { allowed, refusal } = permitted(found, networks)
      if (allowed.length === 0) return { outcome: 'refused', detail: refusal }
      let look: Look = { outcome: 'unreachable', detail: 'no answer' }
      for (const address of allowed.slice(0, MOST_ADDRESSES)) {
        // What was checked is what is connected to: no second look-up can lead elsewhere.
        look = await lookAtTls({ address, port, ...timing, ...(literal ? {} : { name: host }) })
        if (look.outcome !== 'unreachable') return look
      }
      return look
    },
    async files(path) {
      const detail = 'no folder for discovery is configured (COUNTERSIGN_DISCOVERY_FOLDER): no file is looked at'
      if (folder === undefined) return [{ place: path.join('/'), look: { outcome: 'refused', detail } }]
      return lookAtFiles(folder, path)
    },
  }
}

type AddressesOf = (name: string) => Promise<string[]>

/** Its addresses, or why there is none. */
async function resolved(name: string, addressesOf: AddressesOf): Promise<string[] | string> {
  // RFC 6761 section 6.3: these names never leave the machine.
  if (/^(?:.+\.)?localhost$/.test(name)) return ['127.0.0.1', '::1']
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`the name was not resolved within ${LOOKUP_TIMEOUT / 1000} s`), LOOKUP_TIMEOUT)
  })
  const none = 'the name has no address'
  const found = addressesOf(name).then(
    (addresses) => (addresses.length > 0 ? addresses : none),
    () => none,
  )
  const answer = await Promise.race([found, late])
  clearTimeout(timer)
  return answer
}

/** Each such look-up holds a thread of the few that the process has for files and keys too: two at a time. */
function systemAddresses(): AddressesOf {
  const inTurn = limited(2)
  return (name) =>
    inTurn(async () => (await systemLookup(name, { all: true, verbatim: true })).map(({ address }) => address))
}

function resolverAddresses(servers: string): AddressesOf {
  return async (name) => {
    const resolver = new Resolver({ timeout: 1_000, tries: 2 })
    resolver.setServers(servers.split(/[\s,]+/).filter(Boolean))
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  }
}

function limited(most: number) {
  const waiting: (() => void)[] = []
  let running = 0
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}

function permitted(addresses: readonly string[], networks: NetworkPolicy): { allowed: string[]; refusal: string } {
  let refusal: string | undefined
  const allowed = addresses.filter((address) => {
    const ip = parseIp(address)
    const kind = ip ? networks.refusal(ip) : 'reserved'
    refusal ??= kind
    return kind === undefined
  })
  const what = refusal === 'denied' ? 'an address that is excluded' : `a ${refusal} address`
  return {
    allowed,
    // The address itself is not told: a name can be looked up here that who asks cannot look up.
    refusal: `${what}, which may not be reached from here; COUNTERSIGN_VALIDATION_NETWORKS says which may`,
  }
}

/** Looks for certificates without being asked. `closing`: what is done first when the process ends. */
export function discoveryUpkeep(it: Installation, closing: (() => Promise<void>)[]): Chore[] {
  const { discovery } = it
  if (!discovery) return []
  closing.unshift(async () => discovery.stop())
  return [{ name: 'look for certificates', every: 1_000, run: () => runDiscoveries(it, discovery) }]
}
