import { isThisMachine, type OidcReach } from '../core/login/oidcFetch.ts'
import { hostGuard } from './hostGuard.ts'

/**
 * The issuer's own host, which the operator named, may be anywhere. Others, which the provider's metadata name, are asked within these networks
 * alone (the notation of http/networks.ts); without any in public and private ones, and on loopback where the issuer is there too.
 */
export function oidcReach(issuer: string, networks?: string): OidcReach {
  const own = new URL(issuer).hostname
  const otherwise = isThisMachine(own) ? 'public,private,loopback' : 'public,private'
  const guard = hostGuard(networks ?? otherwise, 'endpoints of the OpenID provider')
  return (host) => (host === own ? undefined : guard)
}
