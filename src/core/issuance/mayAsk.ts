import { findCertificate } from '../certificate.ts'
import type { Claim } from '../core.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import { allows, reaches } from '../identity/tokenScope.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import { actingUser } from '../request/held.ts'
import { readSignRequest } from '../request/records.ts'
import type { RevokeDraft, RevokeRequest } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import { revoke } from '../revocation/revoke.ts'
import { asRevoker } from './holder.ts'
import { mayCertifyCa } from './mayCertifyCa.ts'

/** Built-in profiles are the installation's own: no door reaches them. People need create_cert, for the certificate of a CA create_ca too. */
export async function maySign(it: Installation, requester: Requester, profile: RaProfile): Promise<void> {
  if (profile.builtin || !profile.enabled) throw new Failure('notFound', 'there is no such profile')
  if (requester.kind !== 'user' && requester.kind !== 'token') return
  const { organizationId, authorityId, id: profileId } = profile
  const user = await actingUser(it.db, requester)
  if (!user || (!user.superuser && user.organizationId !== organizationId))
    throw new Failure('notFound', 'there is no such profile')
  if (!(await hasCapability(it.db, user, 'create_cert', { organizationId, authorityId, profileId }))) {
    throw new Failure('forbidden', `you may not order certificates of the profile ${profile.name} (create_cert)`)
  }
  await mayCertifyCa(it.db, requester, profile)
}

interface Seen {
  organizationId: number
  authorityId?: number
  profileId?: number
}

/** People see what is of their organization, through a token what its scope reaches; what clients ask for, their protocol lets them. */
export async function maySee(
  it: Installation,
  requester: Requester,
  { organizationId, ...place }: Seen,
): Promise<boolean> {
  if (requester.kind !== 'user' && requester.kind !== 'token') return true
  const user = await actingUser(it.db, requester)
  if (!user || (!user.superuser && user.organizationId !== organizationId)) return false
  return reaches(user.scope, place)
}

/** Anyone of the organization may ask; whether it passes, waits or is refused is the rules' word. */
export async function mayAskRevocation(it: Installation, requester: Requester, id: number): Promise<void> {
  if (requester.kind === 'system') {
    throw new Failure(
      'forbidden',
      'a revocation needs a user: name a token of yours (access to the data folder is nobody’s approval)',
    )
  }
  const certificate = await findCertificate(it.db, { id })
  if (!certificate || !(await maySee(it, requester, certificate)))
    throw new Failure('notFound', 'there is no such certificate')
  if (!allows(requester.scope, 'revoke_cert', certificate))
    throw new Failure('forbidden', 'this token asks for no revocation: its scope has no revoke_cert here')
}

/** See Door.revoke. */
export async function askRevocation(
  it: Installation,
  requester: Requester,
  draft: RevokeDraft,
  claim?: Claim,
): Promise<RevokeRequest> {
  await mayAskRevocation(it, requester, draft.certificate)
  return revoke(it, await asRevoker(it.db, requester, draft), draft, claim)
}

/** Throws Failure: forbidden, notFound. */
export async function mayUpload(it: Installation, requester: Requester, ref: number | string): Promise<void> {
  if (requester.kind === 'system') return
  const request = await readSignRequest(it.db, ref)
  const user = await actingUser(it.db, requester)
  const { organizationId, authorityId, profileId } = request
  if (!user || !(await maySee(it, requester, request))) throw new Failure('notFound', 'there is no such request')
  if (!(await hasCapability(it.db, user, 'manage', { organizationId, authorityId, profileId }))) {
    throw new Failure('forbidden', 'uploading a certificate needs the capability manage')
  }
}
