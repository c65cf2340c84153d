import { Failure } from '../core/failure.ts'
import { parseCidr } from '../pki/identifier.ts'
import { embeddedIpv4, kindOf, NETWORK_KINDS, type Network, type NetworkKind, networkContains } from './addressKinds.ts'

/** Which addresses a validation may connect to. */
export interface NetworkPolicy {
  /** Undefined when this address (4 or 16 octets) may be reached; else the kind of address that is refused. */
  refusal(ip: Buffer): NetworkKind | 'denied' | undefined
}

/** What applies when the setting allows nothing by name: a private authority serves private networks. */
const DEFAULT_KINDS = ['public', 'private'] as const satisfies NetworkKind[]

interface Entries {
  kinds: Set<NetworkKind>
  networks: Network[]
}

/**
 * Reads a list such as "public,private,loopback", "127.0.0.0/8 ::1" or "!10.0.0.5/32": kinds of address, networks and single
 * addresses, separated by commas or spaces. What is named may be reached, and nothing else; without any such entry public and private
 * networks may. An entry with "!" in front is refused whatever else is named. "any" is every kind but metadata. The well-known
 * addresses of cloud metadata services are reached only by "metadata" or by naming the single address, never by a network around it.
 * Throws Failure('malformed') that names the entry.
 */
export function parseNetworkPolicy(setting: string): NetworkPolicy {
  const allowed: Entries = { kinds: new Set(), networks: [] }
  const denied: Entries = { kinds: new Set(), networks: [] }
  for (const entry of setting.split(/[\s,]+/).filter(Boolean)) {
    if (entry.startsWith('!')) readEntry(entry.slice(1), denied)
    else readEntry(entry, allowed)
  }
  if (allowed.kinds.size === 0 && allowed.networks.length === 0)
    for (const kind of DEFAULT_KINDS) allowed.kinds.add(kind)
  return { refusal: (ip) => decide(ip, allowed, denied) }
}

function decide(ip: Buffer, allowed: Entries, denied: Entries): NetworkKind | 'denied' | undefined {
  const kind = kindOf(ip)
  const inner = embeddedIpv4(ip)
  if (denied.kinds.has(kind) || inNetworks(ip, denied.networks)) return 'denied'
  if (inner.some((v4) => denied.kinds.has(kindOf(v4)) || inNetworks(v4, denied.networks))) return 'denied'
  const named = kind === 'metadata' ? allowed.networks.filter(isSingle) : allowed.networks
  if (inNetworks(ip, named)) return undefined
  // An address that carries another one leads there: what counts is where it leads.
  for (const v4 of inner) {
    const refused = decide(v4, allowed, denied)
    if (refused) return refused
  }
  if (inner.length > 0 && kind === 'public') return undefined
  return allowed.kinds.has(kind) ? undefined : kind
}

function inNetworks(ip: Buffer, networks: readonly Network[]): boolean {
  for (const network of networks) if (networkContains(network, ip)) return true
  return false
}

function isSingle(network: Network): boolean {
  return network.prefix === network.address.length * 8
}

function readEntry(entry: string, into: Entries): void {
  const name = entry.toLowerCase()
  if (name === 'any') {
    for (const kind of NETWORK_KINDS) if (kind !== 'metadata') into.kinds.add(kind)
    return
  }
  const kind = NETWORK_KINDS.find((known) => known === name)
  if (kind) into.kinds.add(kind)
  else into.networks.push(readNetwork(entry))
}

function readNetwork(entry: string): Network {
  const network = parseCidr(entry)
  const shown = entry.slice(0, 60)
  if (!network) {
    const kinds = NETWORK_KINDS.join(', ')
    throw new Failure(
      'malformed',
      `"${shown}" is no network: write 10.1.0.0/16, 2001:db8::/32, any, or one of ${kinds}`,
    )
  }
  const { address, prefix } = network
  for (let bit = prefix; bit < address.length * 8; bit++) {
    if (((address[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1)
      throw new Failure('malformed', `"${shown}" has bits set after its first ${prefix}`)
  }
  return network
}
