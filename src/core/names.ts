import { type Identifier, ipInNetwork, parseIp } from '../pki/identifier.ts'
import type { Problem } from './failure.ts'
import { matchesPattern } from './pattern.ts'
import type { CertificateProfile } from './profile.ts'

/** Which of these names the profile does not certify: one problem each, with what would be allowed. */
export function nameProblems(names: CertificateProfile['names'], identifiers: readonly Identifier[]): Problem[] {
  return identifiers.flatMap((identifier) => {
    const detail = whyNot(names, identifier)
    return detail === undefined ? [] : [{ at: 'identifiers', code: 'rejectedIdentifier' as const, detail, identifier }]
  })
}

function whyNot(names: CertificateProfile['names'], { type, value }: Identifier): string | undefined {
  if (type === 'ip') {
    const address = parseIp(value)
    if (!address) return `${value} is not an IP address`
    return names.ip.some((network) => ipInNetwork(address, network)) ? undefined : outside('ip', value, names.ip)
  }
  if (type === 'dns' && value.startsWith('*.') && !names.wildcards) return `${value}: this profile issues no wildcards`
  const text = type === 'email' ? value.toLowerCase() : value
  return names[type].some((pattern) => pattern === '**' || matchesPattern(pattern, text))
    ? undefined
    : outside(type, value, names[type])
}

function outside(kind: string, value: string, allowed: string[]): string {
  return allowed.length === 0
    ? `${value}: this profile certifies no ${kind} names`
    : `${value} is outside what this profile certifies (${allowed.slice(0, 5).join(', ')}${allowed.length > 5 ? ', …' : ''})`
}
