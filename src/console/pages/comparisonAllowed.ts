import type { CertificateProfile } from '../../core/profile/profile.ts'
import type { IdentifierKind } from '../../pki/identifier.ts'
import { lifetime } from '../parts/words.ts'

/** The template of the subject, as it was written. */
export function allowedSubject({ subject, overrides }: CertificateProfile): string {
  const template = Object.entries(subject)
    .map(([type, value]) => `${type}=${value}`)
    .join(', ')
  const made = template === '' ? 'no subject' : template
  return overrides.includes('subject') ? `${made}; may be chosen` : made
}

/** Which names of a kind the profile certifies, in its own patterns. */
export function allowedNames({ names }: CertificateProfile, kind: IdentifierKind): string {
  const patterns = names[kind]
  if (patterns.length === 0) return 'none'
  const all = patterns.includes('**') || (kind === 'ip' && patterns.includes('0.0.0.0/0') && patterns.includes('::/0'))
  const text = all ? 'any' : several(patterns)
  return kind === 'dns' && !names.wildcards ? `${text}, no wildcards` : text
}

const several = (patterns: readonly string[]) =>
  patterns.length > 5 ? `${patterns.slice(0, 5).join(', ')} and ${patterns.length - 5} more` : patterns.join(', ')

export function allowedKeys({ keys: { rsa, ec, ed25519 } }: CertificateProfile): string {
  const kinds = [rsa && `RSA ${rsa.min} to ${rsa.max}`, ec.length > 0 && `EC ${ec.join(', ')}`, ed25519 && 'Ed25519']
  return kinds.filter(Boolean).join('; ') || 'none'
}

export function allowedValidity({ validity, overrides }: CertificateProfile): string {
  const usual = lifetime(validity.default)
  return overrides.includes('validity') ? `${usual}, at most ${lifetime(validity.max)}` : usual
}
