import type { Database } from '../../db/open.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import type { RaProfile } from '../profile/profile.ts'
import { type Requester, scopeOf } from '../requester.ts'

/**
 * A certificate of a CA gives its holder what an authority has: of people it takes create_ca beside create_cert, whatever the rules say. What the installation
 * signs for its own authorities was asked before. Throws Failure('forbidden').
 */
export async function mayCertifyCa(db: Database, requester: Requester, profile: RaProfile): Promise<void> {
  if (profile.builtin || profile.settings.certificate.type !== 'ca') return
  if (requester.kind !== 'user' && requester.kind !== 'token') return
  const { organizationId, authorityId, id: profileId } = profile
  const scope = { organizationId, authorityId, profileId }
  const [id] = requester.people
  if (id !== undefined && (await hasCapability(db, { id, ...scopeOf(requester) }, 'create_ca', scope))) return
  throw new Failure('forbidden', 'a certificate of a CA is ordered with the capability create_ca, beside create_cert')
}
