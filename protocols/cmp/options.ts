import { z } from 'zod'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { durationText, milliseconds, rateText } from '../../src/http/optionFields.ts'
import { readTrustAnchor, type TrustAnchor, trustAnchorOptions } from '../../src/http/trustAnchor.ts'
import type { MacHash } from '../../src/pki/cmpMac.ts'

const macHashes = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const satisfies readonly MacHash[]

/** How often what nobody vouches for may be asked: docs/operate/limits.md. */
const limitOptions = z
  .strictObject({
    /** New orders by the holder of one certificate; its renewals and registration authorities aside. */
    ordersByCertificate: rateText.default('50/1h'),
    /** Messages from one address whose protection is wrong: after them no more is looked at from there for a while. */
    unprotectedBySource: rateText.default('300/1h'),
  })
  .prefault({})

/** CMP's settings on an RA profile: docs/protocols/cmp.md. */
export const cmpOptions = z.strictObject({
  /** What messages may be protected by. */
  protection: z
    .array(z.enum(['secret', 'certificate']))
    .min(1)
    .default(['secret', 'certificate']),
  /** Hashes of the HMAC by which messages with a shared secret are protected. SHA-1 is what openssl sends unless told otherwise. */
  macs: z
    .array(z.enum(macHashes))
    .min(1)
    .default([...macHashes]),
  /** Whose certificates, beside our own, devices may sign with. */
  trustAnchors: trustAnchorOptions,
  /** Whether clients with a certificate of this authority for id-kp-cmcRA ask for others. */
  registrationAuthorities: z.boolean().default(true),
  /** Whether an ip that is protected by a shared secret brings the root along as a trust anchor. */
  caPubs: z.boolean().default(true),
  /** Whether a client that asks for it need not confirm its certificate. */
  implicitConfirm: z.boolean().default(true),
  /** For how long a confirmation is waited for, and what becomes of a certificate without one: it is revoked, or stays. */
  confirmWait: durationText.default('1d'),
  unconfirmed: z.enum(['revoke', 'keep']).default('revoke'),
  /** When a client that waits shall ask again. */
  checkAfter: durationText.default('1m'),
  /** How far messageTime may be off; absent: not looked at, since many devices have no clock. */
  clockSkew: durationText.optional(),
  /** Which variant of the profile a certProfile means; one that is not listed is refused. */
  certProfiles: z.record(z.string().min(1).max(200), z.string().min(1).max(63)).default({}),
  limits: limitOptions,
})

/** The settings with lengths of time in milliseconds. */
export type CmpOptions = Omit<
  z.output<typeof cmpOptions>,
  'trustAnchors' | 'confirmWait' | 'checkAfter' | 'clockSkew'
> & {
  trustAnchors: readonly TrustAnchor[]
  confirmWait: number
  checkAfter: number
  clockSkew?: number
}

const parsed = new WeakMap<object, CmpOptions>()

/** A profile's settings for this protocol; read once for each version of the profile. */
export function optionsOf(profile: RaProfile): CmpOptions {
  const known = parsed.get(profile)
  if (known) return known
  const { trustAnchors, confirmWait, checkAfter, clockSkew, ...rest } = cmpOptions.parse(profile.protocols.cmp)
  const options = {
    ...rest,
    trustAnchors: trustAnchors.map(readTrustAnchor),
    confirmWait: milliseconds(confirmWait),
    checkAfter: milliseconds(checkAfter),
    ...(clockSkew === undefined ? {} : { clockSkew: milliseconds(clockSkew) }),
  }
  parsed.set(profile, options)
  return options
}
