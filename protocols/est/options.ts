import { z } from 'zod'
import type { RaProfile } from '../../src/core/profile.ts'
import { durationText, milliseconds } from '../../src/http/optionFields.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { PkiError } from '../../src/pki/error.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { csrattrsOptions, readRecipients, serverkeygenOptions } from './keygenOptions.ts'
import { limitOptions } from './limits.ts'

const certificates = z
  .string()
  .max(200_000)
  .superRefine((text, context) => {
    try {
      if (readAnchors(text).every(({ isCa }) => isCa)) return
      context.addIssue({ code: 'custom', message: 'each certificate must be one of a CA' })
    } catch (error) {
      if (!(error instanceof PkiError || error instanceof NoCertificate)) throw error
      context.addIssue({ code: 'custom', message: error.message })
    }
  })

/** Whose certificates, beside our own, devices may show: such as a manufacturer's. */
const trustAnchor = z.strictObject({
  /** For people: stands in the request and the audit trail. */
  name: z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,62}$/u, 'letters, digits, spaces, dots, dashes'),
  /** PEM of one or more CA certificates, each trusted for itself. */
  certificates,
  /** Where the CRLs of these CAs are: then each certificate between device and anchor is looked up. */
  crlUrls: z
    .array(z.url({ protocol: /^https?$/ }))
    .max(10)
    .default([]),
  /** What becomes of a device while a CRL that is needed cannot be had. */
  withoutCrl: z.enum(['refuse', 'accept']).default('refuse'),
  /** What the certificate stands for: for nothing but who asks, for the names that are in it, or for any name that the profile certifies. */
  entitles: z.enum(['nothing', 'ownNames', 'everything']).default('ownNames'),
})

/** EST's settings on an RA profile: docs/protocols/est.md. */
export const estOptions = z.strictObject({
  /** Which proof of who asks is needed: either one, the one, the other (HTTP Basic or Bearer), or both. */
  require: z.enum(['any', 'certificate', 'password', 'both']).default('any'),
  trustAnchors: z.array(trustAnchor).max(50).default([]),
  /** Whether a request must be linked to its TLS connection (RFC 7030 section 3.5). One that is linked wrongly is refused always. */
  channelBinding: z.enum(['optional', 'required']).default('optional'),
  /** Whether clients with a certificate of this authority for id-kp-cmcRA ask for others. */
  registrationAuthorities: z.boolean().default(true),
  /** Whether a re-enrolment may ask for other names by ChangeSubjectName (RFC 6402); the rules see that they differ. */
  changeSubjectName: z.boolean().default(false),
  reenroll: z
    .strictObject({
      /** How long before its end a certificate may be renewed; absent: at any time. */
      window: durationText.optional(),
      /** For how long after its end a certificate still renews itself; absent: not at all. */
      grace: durationText.optional(),
      /** How long after the new certificate was fetched the one that it replaces is revoked; absent: it stays. */
      revokeReplaced: durationText.optional(),
    })
    .prefault({}),
  /** When a client that waits shall ask again. */
  retryAfter: durationText.default('5m'),
  csrattrs: csrattrsOptions,
  limits: limitOptions,
  serverkeygen: serverkeygenOptions,
})

/** A trust anchor, read. */
export interface TrustAnchor extends Omit<z.output<typeof trustAnchor>, 'certificates'> {
  certificates: readonly CertificateFields[]
}

/** The settings with lengths of time in milliseconds and certificates read. */
export interface EstOptions
  extends Omit<z.output<typeof estOptions>, 'trustAnchors' | 'reenroll' | 'retryAfter' | 'serverkeygen'> {
  trustAnchors: readonly TrustAnchor[]
  reenroll: { window?: number; grace?: number; revokeReplaced?: number }
  retryAfter: number
  /** `recipients` as DER. */
  serverkeygen: Omit<z.output<typeof serverkeygenOptions>, 'recipients' | 'repeat'> & {
    recipients: readonly Buffer[]
    repeat: number
  }
}

const parsed = new WeakMap<object, EstOptions>()

/** A profile's settings for this protocol; read once for each version of the profile. */
export function optionsOf(profile: RaProfile): EstOptions {
  const known = parsed.get(profile)
  if (known) return known
  const { trustAnchors, reenroll, retryAfter, serverkeygen, ...rest } = estOptions.parse(profile.protocols.est)
  const options: EstOptions = {
    ...rest,
    trustAnchors: trustAnchors.map((anchor) => ({ ...anchor, certificates: readAnchors(anchor.certificates) })),
    reenroll: Object.fromEntries(
      Object.entries(reenroll).flatMap(([name, text]) => (text === undefined ? [] : [[name, milliseconds(text)]])),
    ),
    retryAfter: milliseconds(retryAfter),
    serverkeygen: {
      ...serverkeygen,
      recipients: serverkeygen.recipients === undefined ? [] : readRecipients(serverkeygen.recipients),
      repeat: milliseconds(serverkeygen.repeat),
    },
  }
  parsed.set(profile, options)
  return options
}

class NoCertificate extends Error {}

function readAnchors(text: string): CertificateFields[] {
  const blocks = pemDecode(text)
  if (blocks.length === 0 || blocks.some(({ label }) => label !== 'CERTIFICATE'))
    throw new NoCertificate('PEM certificates are needed, and nothing else')
  return blocks.map(({ der }) => readCertificate(der))
}
