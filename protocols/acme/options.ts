import { z } from 'zod'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { durationText } from '../../src/http/optionFields.ts'
import { isValidDnsName } from '../../src/pki/identifier.ts'
import { chaosOptions } from './chaosOptions.ts'
import { limitOptions } from './limitOptions.ts'

export const challengeTypes = [
  'http-01',
  'dns-01',
  'tls-alpn-01',
  'onion-csr-01',
  'dns-account-01',
  'dns-persist-01',
] as const
export type ChallengeType = (typeof challengeTypes)[number]

const httpUrl = z.url({ protocol: /^https?$/ }).max(500)
const issuerDomain = z
  .string()
  .refine((name) => isValidDnsName(name) && name === name.toLowerCase(), 'a domain name in lower case, as A-labels')

/** ACME's settings on an RA profile. */
export const acmeOptions = z
  .strictObject({
    /** Shown in the directory; clients must agree to it before they get an account. */
    termsOfService: httpUrl.optional(),
    website: httpUrl.optional(),
    /** Only who holds a MAC key gets an account (RFC 8555 section 7.3.4); a binding that comes is verified in any case. */
    externalAccountRequired: z.boolean().default(false),
    /** Which challenges are offered where the identifier allows them. */
    challenges: z.array(z.enum(challengeTypes)).min(1).default(['http-01', 'dns-01', 'tls-alpn-01', 'onion-csr-01']),
    /** Which domain names stand for this authority in CAA records (RFC 8659) and in dns-persist-01, and whether CAA is checked. */
    caa: z
      .strictObject({ domains: z.array(issuerDomain).min(1).max(10), enforce: z.enum(['on', 'off']).default('on') })
      .optional(),
    /** For clients that poll by finalizing again: the same CSR gets the order as it is instead of orderNotReady. */
    idempotentFinalize: z.boolean().default(false),
    /** For clients that pad the base64url of their CSR, which RFC 8555 section 6.1 has servers refuse: it is read all the same. */
    paddedCsr: z.boolean().default(false),
    /** How long an order, and what is pending in it, waits to be finalized. */
    orderLifetime: durationText.default('7d'),
    /** How long a proof of control counts. */
    authorizationLifetime: durationText.default('7d'),
    /** How long after its validation an authorization also counts for new orders of the account; off: each order proves its names anew. */
    authorizationReuse: z.union([z.literal('off'), durationText]).default('off'),
    /** Whether proving a name can prove all names below it (RFC 9444): not at all, by a record in the DNS, or by any challenge. */
    subdomainAuthorization: z.enum(['off', 'dns', 'any']).default('off'),
    limits: limitOptions.prefault({}),
    /** Only for those who test clients. */
    chaos: chaosOptions.optional(),
  })
  .refine(({ challenges, caa }) => caa !== undefined || !challenges.includes('dns-persist-01'), {
    path: ['caa'],
    message: 'dns-persist-01 needs domains that stand for this authority: caa.domains',
  })

export type AcmeOptions = z.output<typeof acmeOptions>

const parsed = new WeakMap<object, AcmeOptions>()

/** A profile's settings for this protocol; read once for each version of the profile. */
export function optionsOf(profile: RaProfile): AcmeOptions {
  const known = parsed.get(profile)
  if (known) return known
  const options = acmeOptions.parse(profile.protocols.acme)
  parsed.set(profile, options)
  return options
}
