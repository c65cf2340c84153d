import { z } from 'zod'
import { SHORT_LIVED } from '../../pki/lintRevocation.ts'
import { text } from '../text.ts'
import type { ApprovalRules } from './rule.ts'

/** A length of time as people write it: 90d, 12h, 30m, 45s, 1y (365 days); read as milliseconds. */
export const duration = z
  .string()
  .regex(/^[1-9][0-9]{0,5}(s|m|h|d|y)$/, 'a length of time is written like 90d, 12h or 30m')
  .transform((given) => Number(given.slice(0, -1)) * unit[given.slice(-1) as keyof typeof unit])

const unit = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 }

const keyRules = z
  .strictObject({
    rsa: z.strictObject({ min: z.int().min(2048).max(8192), max: z.int().min(2048).max(8192) }).nullable(),
    ec: z.array(z.enum(['P-256', 'P-384', 'P-521'])),
    ed25519: z.boolean(),
  })
  .partial()
  .transform((given) => ({
    rsa: given.rsa === undefined ? { min: 2048, max: 8192 } : given.rsa,
    ec: given.ec ?? (['P-256', 'P-384', 'P-521'] as const),
    ed25519: given.ed25519 ?? true,
  }))

/**
 * Which names a profile certifies, by kind. A pattern for dns, email and uri is a literal, or holds `*` for any run of
 * characters within one label and `**` for any run at all; `.example.org` means every name below example.org and
 * `example.org` only itself. ip takes networks in CIDR form. An empty list forbids the kind; `**` allows all of it.
 */
const nameRules = z
  .strictObject({
    dns: z.array(text(300)).default(['**']),
    wildcards: z.boolean().default(true),
    ip: z.array(text(60)).default(['0.0.0.0/0', '::/0']),
    email: z.array(text(300)).default([]),
    uri: z.array(text(300)).default([]),
    max: z.int().min(1).max(1000).default(100),
  })
  .prefault({})

/** registration_authority: a client that may ask for others (id-kp-cmcRA, RFC 6402 section 2.10). */
export const certificateTypes = ['server', 'client', 'dual_purpose', 'registration_authority', 'ca'] as const

const certificateFields = z.strictObject({
  type: z.enum([...certificateTypes, 'ocsp', 'message']).default('server'),
  /** default: given when nothing is asked; max: the most that may be asked; backdate: how far notBefore lies back. */
  validity: z
    .strictObject({
      default: duration.prefault('90d'),
      max: duration.prefault('90d'),
      backdate: duration.prefault('1m'),
    })
    .prefault({}),
  keys: keyRules.prefault({}),
  names: nameRules,
  /** Subject attributes; `{name}` stands for the first name asked and `{csr.O}` for the CSR's O. Empty: no subject. */
  subject: z.record(text(100), text(200)).default({ CN: '{name}' }),
  mustStaple: z.enum(['refuse', 'honour']).default('honour'),
  /** For short-lived certificates: nothing is published about their revocation, and they say so (RFC 9608). */
  noRevAvail: z.boolean().default(false),
  /** What to do with extensions of a CSR that the profile does not issue. */
  extraExtensions: z.enum(['refuse', 'ignore']).default('refuse'),
  pathLength: z.int().min(0).max(10).optional(),
  /** What a requester may choose himself. */
  overrides: z.array(z.enum(['validity', 'subject'])).default(['validity']),
})

const certificateProfile = certificateFields.superRefine(checkNoRevAvail).prefault({})

/**
 * Nobody learns that such a certificate is not to be trusted any more, so its time is all that limits the harm: less than
 * seven days from notBefore to notAfter (SHORT_LIVED says why).
 */
function checkNoRevAvail(
  { noRevAvail, type, validity }: z.output<typeof certificateFields>,
  context: z.RefinementCtx,
): void {
  if (!noRevAvail) return
  const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
  if (type === 'ca' || type === 'ocsp')
    refuse(['noRevAvail'], `not for certificates of type ${type} (RFC 9608 section 2): revoking one must be possible`)
  for (const name of ['default', 'max'] as const) {
    if (validity[name] + validity.backdate < SHORT_LIVED) continue
    refuse(
      ['validity', name],
      'certificates without revocation information (noRevAvail) live less than 7 days, backdate included: 6d at most',
    )
  }
}

/** How a variant is written: what it changes of the profile's certificate, and what its users read about it. */
const variantDraft = z.looseObject({ description: text(500) })

/** Whole ones, as overlaid makes them. The names are those of the ACME profiles extension: compared as they are. */
const variants = z.record(
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'a variant is named by letters, digits, dots, dashes, underscores'),
  z.strictObject({ description: text(500), certificate: certificateProfile }),
)

/** What a variant does not say of these it takes from the profile, setting by setting. */
const overlaidParts = new Set(['validity', 'keys', 'names'])

/** Variants as written, each with the profile's certificate below what it changes. What cannot be read is left for the schema to refuse. */
function overlaid(settings: unknown): unknown {
  if (!isObject(settings) || !isObject(settings.variants)) return settings
  const base = isObject(settings.certificate) ? settings.certificate : {}
  const whole = Object.entries(settings.variants).map(([name, draft]) => {
    const read = variantDraft.safeParse(draft)
    if (!read.success) return [name, draft]
    const { description, ...changes } = read.data
    return [name, { description, certificate: { ...base, ...changes, ...parts(base, changes) } }]
  })
  return { ...settings, variants: Object.fromEntries(whole) }
}

function parts(base: Record<string, unknown>, changes: Record<string, unknown>): Record<string, unknown> {
  const both = Object.entries(changes).flatMap(([name, change]) => {
    const below = base[name]
    return overlaidParts.has(name) && isObject(below) && isObject(change) ? [[name, { ...below, ...change }]] : []
  })
  return Object.fromEntries(both)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const policyNames = ['keyAlgorithm', 'names', 'nameCount', 'validity', 'mustStaple', 'extensions'] as const
export type PolicyName = (typeof policyNames)[number]

const settingsFields = z
  .strictObject({
    certificate: certificateProfile,
    /** Named kinds of certificate that a client may choose instead, each by what it changes of `certificate`. */
    variants: variants.default({}),
    /** A policy that is broken refuses (hard) or warns and goes on (soft). Default: hard. */
    enforcement: z.partialRecord(z.enum(policyNames), z.enum(['hard', 'soft'])).default({}),
    /** How long after its end an order is answered again when its client repeats it. */
    repeatWindow: duration.prefault('72h'),
    /** How long an order that is parked, and not registered for somebody, waits to be submitted; then it expires. */
    parkedFor: duration.prefault('90d'),
  })
  .superRefine(({ certificate, variants, enforcement }, context) => {
    const published = [certificate, ...Object.values(variants).map((variant) => variant.certificate)]
    if (enforcement.validity === 'soft' && published.some(({ noRevAvail }) => noRevAvail))
      context.addIssue({
        code: 'custom',
        path: ['enforcement', 'validity'],
        message: 'hard, where a certificate has noRevAvail: its short life is all that protects',
      })
  })

export const profileSettings = z.preprocess(overlaid, settingsFields)

export type ProfileSettings = z.output<typeof profileSettings>
export type CertificateProfile = ProfileSettings['certificate']
export type CertificateType = CertificateProfile['type']

/** A registration authority profile: what one group of clients may get, over which protocols, under which rules. */
export interface RaProfile {
  id: number
  uuid: string
  organizationId: number
  name: string
  authorityId: number
  enabled: boolean
  builtin: boolean
  version: number
  /** Which of its variants this is; absent: none, as the profile was written (variant.ts). */
  variant?: string
  settings: ProfileSettings
  /** By protocol name: its options, as its adapter's schema made them; absent means that the protocol is off. */
  protocols: Record<string, unknown>
  rules: ApprovalRules
}
