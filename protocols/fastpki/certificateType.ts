import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { CertificateType as CoreType, RaProfile } from '../../src/core/profile/profile.ts'

export const certificateTypes = ['server', 'client', 'ca', 'dual_purpose'] as const
export type CertificateType = (typeof certificateTypes)[number]

export const certificateType = z.enum(certificateTypes)

/** The profile itself, or the first of its variants, whose certificates are of that type. Throws Failure('malformed'). */
export function profileForType(door: Door, profile: RaProfile, type: CertificateType): RaProfile {
  if (profile.settings.certificate.type === type) return profile
  const name = Object.entries(profile.settings.variants).find(([, { certificate }]) => certificate.type === type)?.[0]
  if (name !== undefined) return door.variant(profile, name)
  throw new Failure(
    'malformed',
    `The RA profile ${profile.name} issues no ${type} certificates: its administrator adds a variant of that type`,
  )
}

const shown = {
  server: 'server',
  client: 'client',
  dual_purpose: 'dual_purpose',
  ca: 'ca',
  registration_authority: 'client',
  ocsp: 'client',
  message: 'client',
} as const satisfies Record<CoreType, CertificateType>

/** The nearest of the contract's words. */
export function typeOf(type: CoreType): CertificateType {
  return shown[type]
}
