import type { RaProfile } from '../../src/core/profile.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { formatIp, type Identifier, isValidDnsName, parseIp } from '../../src/pki/identifier.ts'

/**
 * The names to certify: those of the CSR. Many devices name themselves in the common name only: where the profile makes the subject of the names, that is one.
 */
export function requestedNames(profile: RaProfile, csr: Csr): readonly Identifier[] {
  if (csr.identifiers.length > 0) return csr.identifiers
  const { subject } = profile.settings.certificate
  if (!Object.values(subject).some((template) => template.includes('{name}'))) return []
  const common = csr.subject
    .flat()
    .find(({ type }) => type === 'CN')
    ?.value.toLowerCase()
  if (common === undefined) return []
  const address = parseIp(common)
  if (address) return [{ type: 'ip', value: formatIp(address) }]
  return isValidDnsName(common) ? [{ type: 'dns', value: common }] : []
}

export function sameNames(a: readonly Identifier[], b: readonly Identifier[]): boolean {
  const keys = (names: readonly Identifier[]) => [...new Set(names.map(({ type, value }) => `${type}:${value}`))].sort()
  return keys(a).join('\n') === keys(b).join('\n')
}
