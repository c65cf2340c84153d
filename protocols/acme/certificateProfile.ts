import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { AcmeError } from './errors.ts'

/** Of the variants, the one that an order gets which names none. */
const UNNAMED = 'default'

/** `meta.profiles` of draft-ietf-acme-profiles: a profile's variants by name; undefined when it has none. */
export function advertisedProfiles({ settings }: RaProfile): Record<string, string> | undefined {
  const all = Object.entries(settings.variants)
  return all.length === 0 ? undefined : Object.fromEntries(all.map(([name, { description }]) => [name, description]))
}

/** The profile as an order with this `profile` has it. Names are compared as they are. Throws AcmeError('invalidProfile'). */
export function chosenProfile(door: Door, profile: RaProfile, asked: string | undefined): RaProfile {
  const { variants } = profile.settings
  const name = asked ?? (Object.hasOwn(variants, UNNAMED) ? UNNAMED : undefined)
  if (name === undefined) return profile
  if (Object.hasOwn(variants, name)) return door.variant(profile, name)
  const known = Object.keys(variants)
  const detail = known.length === 0 ? 'none is offered: order without it' : `one of ${known.join(', ')} can be chosen`
  throw new AcmeError('invalidProfile', `profile: ${JSON.stringify(name.slice(0, 100))} is not offered; ${detail}`)
}

/** As chosen with the order. A variant that is gone is invalidProfile, as the draft says. Throws AcmeError. */
export function variantOfOrder(
  { door }: { door: Door },
  { variant }: { variant: string | undefined },
  profile: RaProfile,
) {
  return variant === undefined ? profile : chosenProfile(door, profile, variant)
}

interface Asked {
  identifiers: readonly Identifier[]
  period: { notBefore?: Date; notAfter?: Date }
}

/**
 * What would not be certified at all is refused as ever; what only the chosen variant would not certify is a wrong choice.
 * Throws Failure, AcmeError('invalidProfile').
 */
export function admitOrder(
  door: Door,
  { profile, chosen }: { profile: RaProfile; chosen: RaProfile },
  { identifiers, period }: Asked,
): void {
  try {
    door.admitNames(chosen, identifiers, period)
  } catch (error) {
    if (chosen === profile || !(error instanceof Failure)) throw error
    door.admitNames(profile, identifiers, period)
    throw new AcmeError('invalidProfile', `profile ${chosen.variant}: ${error.detail}`, { cause: error })
  }
}
