import { type Identifier, ipInNetwork, parseIp } from '../../pki/identifier.ts'
import type { Problem } from '../failure.ts'
import { matchesPattern } from './pattern.ts'
import type { CertificateProfile } from './profile.ts'

type NameRules = Pick<CertificateProfile['names'], 'dns' | 'wildcards' | 'ip' | 'email' | 'uri'>

/** Which of these names the profile, or what else has the rules, does not allow: one problem each, with what would be. */
export function nameProblems(
  names: NameRules,
  identifiers: readonly Identifier[],
  does = 'this profile certifies',
): Problem[] {
  return identifiers.flatMap((identifier) => {
    const detail = whyNot(names, identifier, does)
    return detail === undefined ? [] : [{ at: 'identifiers', code: 'rejectedIdentifier' as const, detail, identifier }]
  })
}

function whyNot(names: NameRules, { type, value }: Identifier, does: string): string | undefined {
  if (type === 'ip') {
    const address = parseIp(value)
    if (!address) return `${value} is not an IP address`
    return names.ip.some((network) => ipInNetwork(address, network)) ? undefined : outside('ip', value, names.ip, does)
  }
  if (type === 'dns' && value.startsWith('*.') && !names.wildcards) return `${value}: ${does} no wildcards`
  const text = type === 'email' ? value.toLowerCase() : value
  return names[type].some((pattern) => pattern === '**' || matchesPattern(pattern, text))
    ? undefined
    : outside(type, value, names[type], does)
}

function outside(kind: string, value: string, allowed: string[], does: string): string {
  return allowed.length === 0
    ? `${value}: ${does} no ${kind} names`
    : `${value} is outside what ${does} (${allowed.slice(0, 5).join(', ')}${allowed.length > 5 ? ', …' : ''})`
}
