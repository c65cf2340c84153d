import { type LookupAddress, lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { ipInNetwork, parseCidr, parseIp } from '../pki/identifier.ts'

/** Where no webhook is: this host's unspecified address, link-local and with it cloud metadata, multicast, addresses that carry others. */
const NEVER = [
  '0.0.0.0/8',
  '100.100.100.200/32',
  '169.254.0.0/16',
  '192.0.0.192/32',
  '224.0.0.0/3',
  '::/128',
  '::ffff:0:0/96',
  '64:ff9b::/96',
  '2002::/16',
  'fd00:ec2::254/128',
  'fe80::/10',
  'ff00::/8',
]
/** Where plain HTTP leads over no network of others. */
const NEAR = ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1/128', 'fc00::/7']

function within(ip: Buffer, networks: readonly string[]): boolean {
  return networks.some((network) => parseCidr(network)?.address.length === ip.length && ipInNetwork(ip, network))
}

/** Throws for an address that a webhook may not have. A name passes: guardedLookup holds what it leads to against the same. */
export function refuseAddress(host: string, secure: boolean): void {
  const bare = host.replace(/^\[|\]$/g, '')
  if (isIP(bare) === 0) return
  const ip = parseIp(bare)
  if (!ip || within(ip, NEVER)) throw new Error(`a webhook may not be at ${bare}`)
  if (!secure && !within(ip, NEAR)) throw new Error(`a webhook at ${bare} needs https`)
}

/** The system's resolver; one address that may not be reached refuses the name. */
export function guardedLookup(secure: boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const refused = error ?? refusal(addresses, secure)
      const [first] = addresses ?? []
      if (refused || !first) return callback(refused ?? new Error(`${hostname} has no address`), '', 0)
      // The types know only the answer with one address.
      if (options.all) return callback(null, addresses as never)
      callback(null, first.address, first.family)
    })
  }
}

function refusal(addresses: readonly LookupAddress[], secure: boolean): Error | null {
  try {
    for (const { address } of addresses) refuseAddress(address, secure)
    return null
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
