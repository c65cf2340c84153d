import type { RaProfile } from '../core/profile/profile.ts'
import type { Identifier } from '../pki/identifier.ts'
import type { Name } from '../pki/name.ts'

/**
 * Whether the names say all that a CSR brings into its certificate: a shared secret that was made for names vouches for nothing beside them, and for nothing
 * where there are none. What the profile sets by itself is no claim; a subject that is chosen beside the CSR (SignDraft.subject) is none of this.
 */
export function isNamed(
  { settings }: RaProfile,
  { subject, identifiers }: { subject: Name; identifiers: readonly Identifier[] },
): boolean {
  const templates = Object.values(settings.certificate.subject)
  const names = new Set(identifiers.map(({ value }) => value.toLowerCase()))
  const taken = (type: string) => templates.some((template) => template.includes(`{csr.${type}}`))
  return names.size > 0 && subject.flat().every(({ type, value }) => !taken(type) || names.has(value.toLowerCase()))
}
