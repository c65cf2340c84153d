import type { Csr } from '../../pki/csr.ts'
import type { Identifier } from '../../pki/identifier.ts'
import type { Name } from '../../pki/name.ts'
import type { CertificateProfile } from './profile.ts'

/** RFC 5280 appendix A: ub-common-name. Names over it stay in the SAN alone. */
const commonNameBound = 64

/**
 * The subject by the profile's template. `{name}` is the CSR's common name when it is one of the names certified, else
 * the first name that fits; `{csr.X}` is the CSR's attribute X. An attribute whose placeholder has no value is left out.
 */
export function subjectOf(
  profile: CertificateProfile,
  csr: Pick<Csr, 'subject'>,
  identifiers: readonly Identifier[],
  asked?: Name,
): Name {
  if (asked && profile.overrides.includes('subject')) return asked
  const values = new Map<string, string>()
  for (const { type, value } of csr.subject.flat()) if (!values.has(`csr.${type}`)) values.set(`csr.${type}`, value)
  const name = firstName(identifiers, values.get('csr.CN'))
  if (name !== undefined) values.set('name', name)
  return Object.entries(profile.subject).flatMap(([type, template]) => {
    const value = fill(template, values)
    return value === undefined || value === '' || (type === 'CN' && value.length > commonNameBound)
      ? []
      : [[{ type, value }]]
  })
}

/**
 * Whether a subject that was made so says more than these names and what the profile itself sets: parts that were asked for, and that no proof of the names
 * is a proof of. `asked` as for subjectOf.
 */
export function claimsMore(
  profile: CertificateProfile,
  subject: Name,
  identifiers: readonly Identifier[],
  asked?: Name,
): boolean {
  const chosen = asked !== undefined && profile.overrides.includes('subject')
  const isAsked = (type: string) => chosen || profile.subject[type]?.includes('{csr.') === true
  const claimed = subject.flat().filter(({ type }) => isAsked(type))
  if (claimed.length === 0) return false
  const names = new Set(identifiers.map(({ value }) => value.toLowerCase()))
  return claimed.some(({ value }) => !names.has(value.toLowerCase()))
}

function firstName(identifiers: readonly Identifier[], common: string | undefined): string | undefined {
  const wanted = common?.toLowerCase()
  const fitting = identifiers.filter(({ value }) => value.length <= commonNameBound)
  return (fitting.find(({ value }) => value === wanted) ?? fitting[0])?.value
}

function fill(template: string, values: ReadonlyMap<string, string>): string | undefined {
  let complete = true
  const text = template.replace(/\{([A-Za-z0-9.]+)\}/g, (_, key: string) => {
    const value = values.get(key)
    if (value === undefined) complete = false
    return value ?? ''
  })
  return complete ? text : undefined
}
