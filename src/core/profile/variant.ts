import { Failure } from '../failure.ts'
import type { RaProfile } from './profile.ts'

const made = new WeakMap<RaProfile, Map<string, RaProfile>>()

/**
 * A profile with the certificate settings of one of its named variants in place of its own; everything that takes a
 * profile takes this one. Throws Failure('notFound') for a name that the profile does not have.
 */
export function variantOf(profile: RaProfile, name: string): RaProfile {
  const { variants } = profile.settings
  const variant = Object.hasOwn(variants, name) ? variants[name] : undefined
  if (!variant) throw new Failure('notFound', `${profile.name} has no variant ${JSON.stringify(name.slice(0, 100))}`)
  const known = made.get(profile)?.get(name)
  if (known) return known
  const { certificate } = variant
  const chosen = { ...profile, variant: name, settings: { ...profile.settings, certificate } }
  const all = made.get(profile) ?? new Map<string, RaProfile>()
  made.set(profile, all.set(name, chosen))
  return chosen
}
