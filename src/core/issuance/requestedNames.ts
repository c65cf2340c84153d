import type { Csr } from '../../pki/csr.ts'
import { formatIp, type Identifier, isValidDnsName, parseIp } from '../../pki/identifier.ts'
import type { RaProfile } from '../profile/profile.ts'

/**
 * The names to certify: those of the CSR. Many devices name themselves in the common name only: where the profile makes the subject of the names, that is one.
 */
export function requestedNames(
  { settings }: RaProfile,
  csr: Pick<Csr, 'subject' | 'identifiers'>,
): readonly Identifier[] {
  const { subject, names } = settings.certificate
  // Windows names the account in Active Directory beside the device: of use only where the profile certifies URIs.
  const asked = csr.identifiers.filter(({ type, value }) => !(type === 'uri' && isSid(value) && names.uri.length === 0))
  if (asked.length > 0) return asked
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

const isSid = (uri: string): boolean => uri.startsWith('tag:microsoft.com,2022-09-14:sid:')
