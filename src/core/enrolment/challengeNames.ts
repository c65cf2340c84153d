import type { Identifier } from '../../pki/identifier.ts'
import { type Name, type NameAttribute, parseNameText } from '../../pki/name.ts'
import { nameProblems } from '../profile/names.ts'
import { matchesPattern } from '../profile/pattern.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { ChallengeAsked } from './challenge.ts'
import { credentialNames } from './credential.ts'

/** What a challenge allows, as it is stored; null: whatever the profile certifies. */
export interface ChallengeBounds {
  /** A name in the form of RFC 4514 whose values are patterns. */
  subject: string | null
  /** JSON of CredentialNames. */
  identifiers: string | null
}

/**
 * Where an order stands to the names of a challenge. bound: it was made for these; free: it was made for none, or leaves
 * part of the subject open; outside: for others.
 */
export function boundTo(
  { subject, identifiers }: ChallengeBounds,
  profile: RaProfile,
  asked: ChallengeAsked,
): 'bound' | 'free' | 'outside' {
  if (subject === null && identifiers === null) return 'free'
  const common = commonNames(asked.subject)
  if (subject !== null) {
    if (!matchesSubject(parseNameText(subject), asked.subject)) return 'outside'
    const named =
      identifiers === null
        ? asked.identifiers.every(({ value }) => common.includes(value.toLowerCase()))
        : allows(identifiers, asked.identifiers)
    return named ? 'bound' : 'outside'
  }
  if (!allows(identifiers, asked.identifiers)) return 'outside'
  const values = new Set(asked.identifiers.map(({ value }) => value.toLowerCase()))
  const known = (name: string) => values.has(name) || allows(identifiers, [{ type: 'dns', value: name }])
  if (!common.every(known)) return 'outside'
  if (asked.identifiers.length === 0) return 'free'
  return onlyCommonNames(asked.subject) || !takesSubject(profile) ? 'bound' : 'free'
}

function allows(identifiers: string | null, asked: readonly Identifier[]): boolean {
  return nameProblems(credentialNames.parse(JSON.parse(identifiers ?? '{}')), asked).length === 0
}

function commonNames(subject: Name): string[] {
  return subject
    .flat()
    .filter(({ type }) => type === 'CN')
    .map(({ value }) => value.toLowerCase())
}

function onlyCommonNames(subject: Name): boolean {
  return subject.flat().every(({ type }) => type === 'CN')
}

/** Whether what a CSR says of its subject, beside the common name, may come into a certificate. */
function takesSubject({ settings: { certificate } }: RaProfile): boolean {
  return Object.values(certificate.subject).some((template) => template.includes('{csr.'))
}

/** Each attribute asked matches one of the rule, and none of the rule is left; their order does not matter. */
function matchesSubject(rule: Name, asked: Name): boolean {
  const left = rule.flat()
  for (const attribute of asked.flat()) {
    const at = left.findIndex((pattern) => matchesAttribute(pattern, attribute))
    if (at < 0) return false
    left.splice(at, 1)
  }
  return left.length === 0
}

function matchesAttribute(pattern: NameAttribute, { type, value, der }: NameAttribute): boolean {
  return pattern.type === type && der === undefined && matchesPattern(folded(pattern.value), folded(value))
}

function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')
}
