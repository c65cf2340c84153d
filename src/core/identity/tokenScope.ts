import { z } from 'zod'
import { Failure } from '../failure.ts'
import { type Capability, capabilities } from './capabilityNames.ts'

/** `admin`: what only administrators and superusers do, and what a user does to his own account. */
export const scopeNames = [...capabilities, 'admin'] as const
export type ScopeName = (typeof scopeNames)[number]

/** What a token is limited to; it never does more than its user may besides. A token without one does all that he may. */
export interface TokenScope {
  capabilities: readonly ScopeName[]
  /** On this authority, this profile, or both, and nowhere else. */
  authorityId?: number
  profileId?: number
  /** Changes nothing at all. */
  readOnly?: boolean
}

/** What something that is looked at or changed belongs to. */
interface Place {
  authorityId?: number | undefined
  profileId?: number | undefined
}

/** Whether a scope reaches what belongs to this authority and profile. */
export function reaches(scope: TokenScope | undefined, { authorityId, profileId }: Place): boolean {
  if (!scope) return true
  if (scope.authorityId !== undefined && scope.authorityId !== authorityId) return false
  return scope.profileId === undefined || scope.profileId === profileId
}

/** Whether a scope lets its token use a capability there. */
export function allows(scope: TokenScope | undefined, capability: Capability, place: Place): boolean {
  if (!scope) return true
  if (scope.readOnly && capability !== 'read') return false
  return scope.capabilities.includes(capability) && reaches(scope, place)
}

/** Whether a scope lets its token administer: in lists of what is administered, and, unless it only reads, in changes. */
export function administering(scope: TokenScope | undefined): boolean {
  return !scope || scope.capabilities.includes('admin')
}

/** Whether all that `inner` allows, `outer` allows too: what a token that makes another one goes by. */
export function within(inner: TokenScope | undefined, outer: TokenScope | undefined): boolean {
  if (!outer) return true
  if (!inner) return false
  return (
    inner.capabilities.every((name) => outer.capabilities.includes(name)) &&
    (outer.authorityId === undefined || inner.authorityId === outer.authorityId) &&
    (outer.profileId === undefined || inner.profileId === outer.profileId) &&
    (outer.readOnly !== true || inner.readOnly === true)
  )
}

/** Throws Failure('malformed') for names that are none, for none at all, and for `admin` together with an authority or profile. */
export function checkedScope({ capabilities: names, ...scope }: TokenScope): TokenScope {
  const unknown = names.find((name) => !scopeNames.includes(name))
  if (unknown !== undefined || names.length === 0)
    throw new Failure('malformed', `the scope of a token names one or more of ${scopeNames.join(', ')}`)
  if (names.includes('admin') && (scope.authorityId !== undefined || scope.profileId !== undefined))
    throw new Failure(
      'malformed',
      'the scope admin is for a whole organization: it goes with no authority and no profile',
    )
  return { capabilities: [...new Set(names)], ...scope }
}

const stored = z.strictObject({
  capabilities: z.array(z.enum(scopeNames)),
  authorityId: z.int().optional(),
  profileId: z.int().optional(),
  readOnly: z.boolean().optional(),
})

/** As it stands in the table. */
export function readScope(text: string | null): TokenScope | undefined {
  if (text === null) return undefined
  const { capabilities, authorityId, profileId, readOnly } = stored.parse(JSON.parse(text))
  return {
    capabilities,
    ...(authorityId === undefined ? {} : { authorityId }),
    ...(profileId === undefined ? {} : { profileId }),
    ...(readOnly === undefined ? {} : { readOnly }),
  }
}
