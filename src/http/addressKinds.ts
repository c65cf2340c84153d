import { parseCidr } from '../pki/identifier.ts'

/** What an address is for, by the IANA special-purpose registries (RFC 6890). */
export const NETWORK_KINDS = [
  'public',
  'private',
  'loopback',
  'link-local',
  'metadata',
  'multicast',
  'documentation',
  'reserved',
] as const
export type NetworkKind = (typeof NETWORK_KINDS)[number]

/** `address` has 4 or 16 octets; the first `prefix` bits of it count. */
export interface Network {
  address: Buffer
  prefix: number
}

// The first match counts, so exceptions stand before the networks around them.
const KINDS_IPV4 = table([
  // Metadata and platform services of clouds: AWS, Azure, GCP, OCI and others; Azure's platform address; Alibaba.
  ['169.254.169.254/32', 'metadata'],
  ['169.254.170.2/32', 'metadata'],
  ['168.63.129.16/32', 'metadata'],
  ['100.100.100.200/32', 'metadata'],
  ['10.0.0.0/8', 'private'],
  ['172.16.0.0/12', 'private'],
  ['192.168.0.0/16', 'private'],
  ['100.64.0.0/10', 'private'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['192.0.2.0/24', 'documentation'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['0.0.0.0/8', 'reserved'],
  ['192.0.0.0/24', 'reserved'],
  ['192.88.99.0/24', 'reserved'],
  ['198.18.0.0/15', 'reserved'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['0.0.0.0/0', 'public'],
])

const KINDS_IPV6 = table([
  ['fd00:ec2::254/128', 'metadata'],
  ['fd20:ce::254/128', 'metadata'],
  ['fd00:c1::a9fe:a9fe/128', 'metadata'],
  ['::1/128', 'loopback'],
  // Mapped, NAT64, Teredo and 6to4: what they embed decides (RFC 4291 section 2.5.5, RFC 6052, RFC 4380, RFC 3056).
  ['::ffff:0:0/96', 'public'],
  ['64:ff9b::/96', 'public'],
  ['2001::/32', 'public'],
  ['2002::/16', 'public'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link-local'],
  ['ff00::/8', 'multicast'],
  ['2001:db8::/32', 'documentation'],
  ['3fff::/20', 'documentation'],
  ['2001::/23', 'reserved'],
  ['2000::/3', 'public'],
  ['::/0', 'reserved'],
])

const MAPPED = network('::ffff:0:0/96')
const COMPATIBLE = network('::/96')
const NAT64 = network('64:ff9b::/96')
const TEREDO = network('2001::/32')
const SIX_TO_FOUR = network('2002::/16')

export function kindOf(ip: Buffer): NetworkKind {
  const kinds = ip.length === 4 ? KINDS_IPV4 : KINDS_IPV6
  for (const [special, kind] of kinds) if (networkContains(special, ip)) return kind
  return 'reserved'
}

/** The IPv4 addresses that an IPv6 address carries, and to which its packets may be delivered. */
export function embeddedIpv4(ip: Buffer): Buffer[] {
  if (ip.length !== 16) return []
  if (networkContains(SIX_TO_FOUR, ip)) return [ip.subarray(2, 6)]
  // A Teredo address holds its server, and its client with every bit inverted (RFC 4380 section 4).
  if (networkContains(TEREDO, ip)) return [ip.subarray(4, 8), Buffer.from(ip.subarray(12).map((octet) => octet ^ 0xff))]
  if ([MAPPED, NAT64, COMPATIBLE].some((network) => networkContains(network, ip)) && kindOf(ip) !== 'loopback')
    return [ip.subarray(12)]
  return []
}

export function networkContains({ address, prefix }: Network, ip: Buffer): boolean {
  if (ip.length !== address.length) return false
  const whole = prefix >> 3
  for (let at = 0; at < whole; at++) if (ip[at] !== address[at]) return false
  const rest = prefix & 7
  return rest === 0 || ((ip[whole] ?? 0) ^ (address[whole] ?? 0)) >> (8 - rest) === 0
}

function network(cidr: string): Network {
  const parsed = parseCidr(cidr)
  if (!parsed) throw new Error(`${cidr} is no network`)
  return parsed
}

function table(rows: [cidr: string, kind: NetworkKind][]): [Network, NetworkKind][] {
  return rows.map(([cidr, kind]) => [network(cidr), kind])
}
