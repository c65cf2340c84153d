import { withoutChallenge } from '../../pki/csr.ts'
import type { Verdict } from '../approval/approval.ts'
import { signFacts } from '../approval/facts.ts'
import { type LoadedAuthority, loadAuthority } from '../authority/authority.ts'
import { authorityUnder } from '../authority/earlierKey.ts'
import { nextAuthority } from '../authority/rollover.ts'
import { type Certificate, findRenewed } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import type { Installation } from '../installation.ts'
import { decide } from '../profile/decide.ts'
import { type AskedCsr, admit, type Refusal } from '../profile/policy.ts'
import { asBadCsr } from '../request/csr.ts'
import type { SignDraft } from '../request/request.ts'
import { type Requester, scopeOf } from '../requester.ts'
import { mayCertifyCa } from './mayCertifyCa.ts'
import type { KeylessOrder, Order } from './newRequest.ts'

/** An order as policy shaped it, and what the rules say of it; without a verdict a hard policy refuses it. */
export interface Judged<Of extends KeylessOrder = Order> {
  order: Of
  verdict?: Verdict
}

/**
 * Policy and rules, of which nothing is stored yet. Throws Failure: malformed (no CSR), badCsr, badKey, unavailable (the authority has ended),
 * forbidden (it renews what was not issued here, the certificate of a CA without create_ca).
 */
export async function judge(it: Installation, requester: Requester, draft: SignDraft): Promise<Judged> {
  if (!draft.csr) throw new Failure('malformed', 'a certificate request is needed')
  const csr = withoutChallenge(draft.csr)
  const { order, ...judged } = await judgeKeyless(it, requester, draft, csr)
  return { order: { ...order, csr }, ...judged }
}

/** As judge, of an order whose key is not made yet, or whose `csr` is this. */
export async function judgeKeyless(
  it: Installation,
  requester: Requester,
  draft: SignDraft,
  csr: AskedCsr,
): Promise<Judged<KeylessOrder>> {
  const { profile } = draft
  await mayCertifyCa(it.db, requester, profile)
  const now = it.clock()
  const authority = await authorityFor(it, draft)
  refuseEnded(authority, now)
  const admission = asBadCsr(() => admit(profile.settings, csr, draft, now))
  admission.refusals.push(...beyondIssuer(authority, draft))
  if (draft.issuer !== undefined) admission.wanted.issuer = draft.issuer
  const order: KeylessOrder = { draft, requester, authority, admission, now }
  if (admission.refusals.length > 0) return { order }
  const renewed = await findRenewed(it.db, draft.renews)
  return { order, verdict: decide(profile.rules[draft.action], await factsOf(it, order, csr, renewed)) }
}

/** What an adapter orders is signed by the active key, or by the next one; only the installation itself names any other. */
async function authorityFor(it: Installation, { profile, issuer }: SignDraft): Promise<LoadedAuthority> {
  const authority = await loadAuthority(it, profile.authorityId)
  if (issuer === undefined) return authority
  if (profile.builtin) return authorityUnder(it, authority, issuer)
  if (issuer === authority.issuer?.id) return authority
  const next = await nextAuthority(it, authority, issuer)
  if (!next) throw new Failure('conflict', 'the next key of the authority was withdrawn, or is an earlier one by now')
  return next
}

async function factsOf(it: Installation, order: KeylessOrder, csr: AskedCsr, renewed: Certificate | undefined) {
  const { draft, requester, admission, now } = order
  const { organizationId, authorityId, id: profileId } = draft.profile
  const [person] = requester.kind === 'user' || requester.kind === 'token' ? requester.people : []
  const capable =
    person !== undefined &&
    (await hasCapability(it.db, { id: person, ...scopeOf(requester) }, 'create_cert', {
      organizationId,
      authorityId,
      profileId,
    }))
  return signFacts(requester, draft, { csr, wanted: admission.wanted, ...(renewed ? { renewed } : {}), capable, now })
}

/** Said before anything is stored: such an order could only ever fail. */
function refuseEnded({ name, kind, issuer, withdrawn }: LoadedAuthority, now: Date): void {
  // By which certificate it signs is the upstream CA's to choose, each time.
  if (kind === 'acme') return
  if (withdrawn)
    throw new Failure('unavailable', `the certificate of the authority ${name} was revoked: it issues nothing`)
  if (issuer && issuer.certificate.notAfter <= now)
    throw new Failure('unavailable', `the certificate of the authority ${name} has ended: it issues nothing`)
}

function beyondIssuer(authority: LoadedAuthority, { notAfter }: SignDraft): Refusal[] {
  const end = authority.kind === 'acme' ? undefined : authority.issuer?.certificate.notAfter
  if (!notAfter || !end || notAfter <= end) return []
  const detail = `the authority's own certificate ends on ${end.toISOString()}: nothing can be issued beyond`
  return [{ policy: 'validity', at: 'notAfter', code: 'malformed', detail }]
}
