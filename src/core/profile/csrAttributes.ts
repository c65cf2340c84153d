import type { CsrWishes, ExtensionWish, KeyWish } from '../../pki/csrAttributes.ts'
import { namePlaceholder } from '../../pki/csrAttributes.ts'
import { encodeBasicConstraints, encodeExtendedKeyUsage, encodeKeyUsage } from '../../pki/extensions.ts'
import { encodeGeneralNames, type IdentifierKind, isValidDnsName } from '../../pki/identifier.ts'
import { ATTRIBUTE_TYPES } from '../../pki/nameAttribute.ts'
import { OID } from '../../pki/oid.ts'
import type { KeySpec } from '../key.ts'
import type { CertificateProfile, RaProfile } from './profile.ts'
import { extendedUsages, usages } from './usage.ts'

/** What the way in asks for beside the profile. */
export interface CsrAttributesAsk {
  /** The profile refuses requests that are not bound to their connection. */
  bound: boolean
  /** Which of the kinds of key that the profile takes is asked for; one that it does not take counts for nothing. */
  key?: KeySpec
}

/**
 * What a request must be like that this profile's policy admits, as far as the client does not know itself which names are its own: one kind of key, the parts
 * of the subject that come from the client, and the extensions that the certificate will have.
 */
export function csrWishes(
  { settings }: Pick<RaProfile, 'settings'>,
  { bound, key: asked }: CsrAttributesAsk,
): CsrWishes {
  const { certificate } = settings
  const key = keyWish(certificate.keys, asked)
  return {
    ...(key ? { key } : {}),
    challengePassword: bound,
    subject: subjectWishes(certificate),
    extensions: [...nameWish(certificate), ...usageWishes(certificate, key)],
  }
}

type KeyRules = CertificateProfile['keys']

const usualSizes = [2048, 3072, 4096]

/** The kind asked for, else what most clients can make: a curve, RSA of the least usual size, Ed25519. Undefined where the profile takes no key at all. */
export function keyWish(rules: KeyRules, asked: KeySpec | undefined): KeyWish | undefined {
  const wish = asked && wishOf(asked)
  if (wish && takes(rules, wish)) return wish
  const [curve] = rules.ec
  if (curve) return { algorithm: 'EC', curve }
  const { rsa } = rules
  if (rsa && rsa.min <= rsa.max)
    return { algorithm: 'RSA', size: usualSizes.find((size) => size >= rsa.min && size <= rsa.max) ?? rsa.min }
  return rules.ed25519 ? { algorithm: 'Ed25519' } : undefined
}

/** The same for another purpose: a key spec as the kind of key that a request is to have. */
export function wishOf(spec: KeySpec): KeyWish {
  switch (spec) {
    case 'P-256':
    case 'P-384':
    case 'P-521':
      return { algorithm: 'EC', curve: spec }
    case 'RSA-2048':
    case 'RSA-3072':
    case 'RSA-4096':
      return { algorithm: 'RSA', size: Number(spec.slice(4)) }
    case 'Ed25519':
      return { algorithm: 'Ed25519' }
  }
}

/** Whether a profile takes keys of this kind. */
export function takes(rules: KeyRules, wish: KeyWish): boolean {
  switch (wish.algorithm) {
    case 'RSA':
      return rules.rsa !== null && wish.size >= rules.rsa.min && wish.size <= rules.rsa.max
    case 'EC':
      return rules.ec.some((curve) => curve === wish.curve)
    case 'Ed25519':
      return rules.ed25519
  }
}

/** Attributes that the subject takes from the request are asked for; those that it has anyway are given as they will be. */
function subjectWishes({ subject }: CertificateProfile): CsrWishes['subject'] {
  const asked = new Set<string>()
  for (const template of Object.values(subject))
    for (const [, type] of template.matchAll(/\{csr\.([A-Za-z0-9.]+)\}/g)) if (type) asked.add(type)
  const given = Object.entries(subject).filter(([type, template]) => !template.includes('{') && !asked.has(type))
  const wishes = [...given.map(([type, value]) => ({ type, value })), ...[...asked].map((type) => ({ type }))]
  return wishes.filter(({ type }) => isAttributeType(type))
}

/** A template may name a type that there is not: it has no value ever. */
function isAttributeType(type: string): boolean {
  return Object.hasOwn(ATTRIBUTE_TYPES, type) || /^[0-2](\.\d+)+$/.test(type)
}

const kinds = ['dns', 'ip', 'email', 'uri'] as const satisfies readonly IdentifierKind[]

/**
 * An alternative name: for servers, and where the subject is made of one or there is no subject. Its kind is named where not all kinds are certified; a profile for one host
 * gives its name.
 */
function nameWish({ type, names, subject }: CertificateProfile): ExtensionWish[] {
  const templates = Object.values(subject)
  const named = templates.length === 0 || templates.some((template) => template.includes('{name}'))
  const needed = type === 'server' || type === 'dual_purpose' || named
  const allowed = kinds.filter((kind) => names[kind].length > 0)
  const [kind] = allowed
  if (!needed || !kind) return []
  const oid = OID.subjectAltName
  const [host] = names.dns
  if (allowed.length === 1 && kind === 'dns' && host && names.dns.length === 1 && isLiteral(host))
    return [{ oid, value: encodeGeneralNames([{ type: 'dns', value: host }]) }]
  return [allowed.length === kinds.length ? { oid } : { oid, value: namePlaceholder(kind), partial: true }]
}

const isLiteral = (pattern: string): boolean => isValidDnsName(pattern) && pattern === pattern.toLowerCase()

/** What the profile's own extensions say (usage.ts), so that the request agrees with its certificate. */
function usageWishes({ type, pathLength }: CertificateProfile, key: KeyWish | undefined): ExtensionWish[] {
  const purposes = extendedUsages(type)
  const constraints = pathLength === undefined ? { ca: true } : { ca: true, pathLength }
  return [
    ...(key ? [{ oid: OID.keyUsage, critical: true, value: encodeKeyUsage(usages(type, key.algorithm)) }] : []),
    ...(purposes.length > 0 ? [{ oid: OID.extKeyUsage, value: encodeExtendedKeyUsage(purposes) }] : []),
    ...(type === 'ca'
      ? [{ oid: OID.basicConstraints, critical: true, value: encodeBasicConstraints(constraints) }]
      : []),
  ]
}
