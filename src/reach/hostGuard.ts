import { type LookupAddress, lookup } from 'node:dns'
import { isIP } from 'node:net'
import type { HostGuard } from '../core/login/oidcFetch.ts'
import { parseNetworkPolicy } from '../http/networks.ts'
import { parseIp } from '../pki/identifier.ts'

/** Hosts within these networks alone (the notation of http/networks.ts). `who`: whom they are for, in a sentence of who is refused. */
export function hostGuard(setting: string, who: string): HostGuard {
  const networks = parseNetworkPolicy(setting)
  /** `asked`: what was named. Where that leads to is not told: a name can be looked up here that who asks cannot look up. */
  const refusal = (address: string, asked = address): Error | undefined => {
    const ip = parseIp(address)
    const kind = ip ? networks.refusal(ip) : 'unknown'
    return kind && new Error(`${asked} is outside the networks that ${who} may be in (${kind})`)
  }
  return {
    refusal: (host) => {
      const bare = host.replace(/^\[|\]$/g, '')
      return isIP(bare) === 0 ? undefined : refusal(bare)
    },
    // What was checked is what is connected to; one address that may not be reached refuses the name.
    lookup: (hostname, options, callback) => {
      lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[] = []) => {
        const refused =
          error ?? addresses.map(({ address }) => refusal(address, hostname)).find((one) => one !== undefined)
        const [first] = addresses
        if (refused || !first) return callback(refused ?? new Error(`${hostname} has no address`), '', 0)
        // The types know only the answer with one address.
        if (options.all) return callback(null, addresses as never)
        callback(null, first.address, first.family)
      })
    },
  }
}
