import type { Capability } from '../core/identity/capability.ts'
import type { Visit } from './page.ts'

/**
 * Whether somebody has a capability for an authority and a profile, as far as his own grants tell: so that what cannot work is not offered.
 * What counts is what the door says.
 */
export function may(
  { user }: Pick<Visit, 'user'>,
  capability: Capability,
  at: { authority?: string; profile?: string } = {},
): boolean {
  if (user.superuser || user.admin) return true
  return user.grants.some(
    (grant) =>
      grant.capability === capability &&
      (grant.authority === null || grant.authority === at.authority) &&
      (grant.profile === null || grant.profile === at.profile),
  )
}
