import type { GrantView } from '../../core/admin.ts'

/** A capability in words: `approve on the profile servers, by the role operators`. */
export function grantText({ capability, authority, profile, role }: GrantView): string {
  const place = [authority && `the authority ${authority}`, profile && `the profile ${profile}`].filter(Boolean)
  const on = place.length > 0 ? ` on ${place.join(' and ')}` : ''
  return `${capability}${on}${role === null ? '' : `, by the role ${role}`}`
}
