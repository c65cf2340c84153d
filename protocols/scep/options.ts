import { z } from 'zod'
import type { MessageKeySource } from '../../src/core/key/messageKey.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { durationText, milliseconds } from '../../src/http/optionFields.ts'
import type { ContentCipher } from '../../src/pki/contentCipher.ts'
import type { Digest } from '../../src/pki/digest.ts'
import { limitOptions } from './limitOptions.ts'
import { webhookOptions } from './webhook.ts'

const digests = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const satisfies readonly Digest[]
const ciphers = [
  'aes-128-cbc',
  'aes-192-cbc',
  'aes-256-cbc',
  'des-ede3-cbc',
  'des-cbc',
] as const satisfies readonly ContentCipher[]

/** SCEP's settings on an RA profile: docs/protocols/scep.md. */
export const scepOptions = z.strictObject({
  /** Digests that messages, and requests for certificates, may be signed with. SHA-1 only for devices that know no better. */
  digests: z.array(z.enum(digests)).min(1).default(['sha224', 'sha256', 'sha384', 'sha512']),
  /** Ciphers that envelopes may have. des-cbc protects nothing (RFC 8894 section 2.9). */
  ciphers: z.array(z.enum(ciphers)).min(1).default(['aes-128-cbc', 'aes-192-cbc', 'aes-256-cbc', 'des-ede3-cbc']),
  /** Which key reads and signs messages: one of the profile's own, always RSA, or the authority's, where that is RSA and held here. */
  messageKey: z.enum(['ra', 'ca']).default('ra'),
  messageKeySize: z.literal([2048, 3072]).default(2048),
  /** What comes with an issued certificate: some devices want the issuer's, others refuse it. */
  answer: z.enum(['leaf', 'chain']).default('leaf'),
  /** GetCACert: the message key's certificate with the authority's chain, or the one to which messages go, alone. */
  caCertificates: z.enum(['chain', 'single']).default('chain'),
  /** Whether GetCACert's chain ends in the root. */
  includeRoot: z.boolean().default(true),
  /** What becomes of a request that nothing authenticates: people look at it, or it is refused. */
  withoutChallenge: z.enum(['review', 'refuse']).default('review'),
  /** A system outside that decides on challenges which are none of ours; its questions are signed (challenge webhook-secret). */
  webhook: webhookOptions.optional(),
  /** Which variant of the profile a template means that a CSR asks for by name or OID; others mean nothing. */
  templates: z.record(z.string().min(1).max(200), z.string().min(1).max(63)).default({}),
  limits: limitOptions.prefault({}),
  /** How far signingTime may be off; absent: not looked at, since many devices have no clock. */
  clockSkew: durationText.optional(),
})

export type ScepOptions = Omit<z.output<typeof scepOptions>, 'clockSkew'> & {
  /** Milliseconds. */
  clockSkew?: number
}

const parsed = new WeakMap<object, ScepOptions>()

/** A profile's settings for this protocol; read once for each version of the profile. */
export function optionsOf(profile: RaProfile): ScepOptions {
  const known = parsed.get(profile)
  if (known) return known
  const { clockSkew, ...rest } = scepOptions.parse(profile.protocols.scep)
  const options = clockSkew === undefined ? rest : { ...rest, clockSkew: milliseconds(clockSkew) }
  parsed.set(profile, options)
  return options
}

export const keySourceOf = ({ messageKey, messageKeySize }: ScepOptions): MessageKeySource =>
  messageKey === 'ca' ? { key: 'ca' } : { key: 'ra', size: messageKeySize }
