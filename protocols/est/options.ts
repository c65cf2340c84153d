import { z } from 'zod'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { durationText, milliseconds } from '../../src/http/optionFields.ts'
import { readTrustAnchor, type TrustAnchor, trustAnchorOptions } from '../../src/http/trustAnchor.ts'
import { csrattrsOptions, readRecipients, serverkeygenOptions } from './keygenOptions.ts'
import { limitOptions } from './limits.ts'

/** EST's settings on an RA profile: docs/protocols/est.md. */
export const estOptions = z.strictObject({
  /** Which proof of who asks is needed: either one, the one, the other (HTTP Basic or Bearer), or both. */
  require: z.enum(['any', 'certificate', 'password', 'both']).default('any'),
  trustAnchors: trustAnchorOptions,
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
    trustAnchors: trustAnchors.map(readTrustAnchor),
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
