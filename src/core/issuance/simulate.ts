import { nameText } from '../../pki/name.ts'
import type { Outcome, Verdict } from '../approval/approval.ts'
import { eligibleUsers } from '../approval/eligible.ts'
import { revokeFacts } from '../approval/facts.ts'
import { findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import type { Installation } from '../installation.ts'
import { decide } from '../profile/decide.ts'
import type { PolicyName, RaProfile } from '../profile/profile.ts'
import { loadProfile } from '../profile/profiles.ts'
import type { ApprovalStep } from '../profile/rule.ts'
import { extendedUsages, usages } from '../profile/usage.ts'
import { actingUser } from '../request/held.ts'
import type { Finding, RevokeDraft, SignDraft, WantedCertificate } from '../request/request.ts'
import { type Requester, scopeOf } from '../requester.ts'
import { judge } from './judge.ts'

/** What would become of an order; nothing of it is stored. */
export interface Simulation {
  /** What hard policies refuse; then no rule is asked. */
  refused: { policy: PolicyName; detail: string }[]
  findings: Finding[]
  /** The certificate to be; absent for a revocation. */
  certificate?: {
    type: WantedCertificate['type']
    /** RFC 4514 text. */
    subject: string
    identifiers: WantedCertificate['identifiers']
    notBefore: Date
    notAfter: Date
    keyUsage: readonly string[]
    extendedKeyUsage: readonly string[]
    mustStaple: boolean
  }
  /** Absent where policy refuses. */
  decision?: {
    outcome: Outcome['kind']
    rule: string
    version: string
    /** Of a denial. */
    message?: string
    /** Each with the names of those who could vote on it today: delegates not counted, whoever asks left out. */
    steps: (ApprovalStep & { mayApprove: string[] })[]
  }
}

/** Who would ask, in place of the one who wants to know. */
export type Asker = Pick<Requester, 'kind' | 'name'>

/**
 * What would become of this order. Needs `read` on the profile, and `manage` to ask for somebody else. Throws notFound, forbidden,
 * and what `sign` throws of an order that nothing is stored of.
 */
export async function simulate(
  it: Installation,
  requester: Requester,
  draft: SignDraft,
  asker?: Asker,
): Promise<Simulation> {
  await mayLook(it, requester, draft.profile, asker)
  const asking = asker ? stranger(asker, requester) : requester
  const { order, verdict } = await judge(it, asking, draft)
  const { wanted, findings, refusals } = order.admission
  const begin = wanted.notBefore ?? order.now.getTime() - wanted.backdate
  const end = wanted.notAfter ?? (wanted.notBefore ?? order.now.getTime()) + wanted.validity
  return {
    refused: refusals.map(({ policy, detail }) => ({ policy, detail })),
    findings: [...findings, ...(verdict?.findings ?? [])],
    certificate: {
      type: wanted.type,
      subject: nameText(wanted.subject),
      identifiers: wanted.identifiers,
      notBefore: new Date(begin),
      notAfter: new Date(end),
      keyUsage: usages(wanted.type, order.csr.publicKey.algorithm),
      extendedKeyUsage: extendedUsages(wanted.type),
      mustStaple: wanted.mustStaple,
    },
    ...(verdict ? { decision: await decisionOf(it, draft.profile, verdict, asking) } : {}),
  }
}

/** As simulate, of an order to revoke. */
export async function simulateRevocation(
  it: Installation,
  requester: Requester,
  draft: RevokeDraft,
  asker?: Asker,
): Promise<Simulation> {
  const certificate = await findCertificate(it.db, { id: draft.certificate })
  if (certificate?.profileId === undefined) throw new Failure('notFound', 'there is no such certificate')
  const profile = await loadProfile(it.db, certificate.profileId)
  await mayLook(it, requester, profile, asker)
  const asking = asker ? stranger(asker, requester) : requester
  const [person] = asking.people
  const { organizationId, authorityId, id: profileId } = profile
  const capable =
    person !== undefined &&
    (await hasCapability(it.db, { id: person, ...scopeOf(asking) }, 'revoke_cert', {
      organizationId,
      authorityId,
      profileId,
    }))
  const facts = revokeFacts(asking, draft, { certificate, profile: profile.name, capable, now: it.clock() })
  const verdict = decide(profile.rules.revoke, facts)
  return { refused: [], findings: verdict.findings, decision: await decisionOf(it, profile, verdict, asking) }
}

/** Nobody behind him: whose order it will be is not known yet. */
function stranger(asker: Asker, { source }: Requester): Requester {
  return { ...asker, ref: '', people: [], ...(source === undefined ? {} : { source }) }
}

async function mayLook(
  { db }: Installation,
  requester: Requester,
  { name, organizationId, authorityId, id: profileId, builtin }: RaProfile,
  asker: Asker | undefined,
): Promise<void> {
  if (builtin) throw new Failure('notFound', 'there is no such profile')
  if (requester.kind === 'system') return
  const user = await actingUser(db, requester)
  if (!user || (!user.superuser && user.organizationId !== organizationId))
    throw new Failure('notFound', 'there is no such profile')
  const scope = { organizationId, authorityId, profileId }
  const sufficient = asker ? (['manage'] as const) : (['read', 'create_cert', 'approve', 'manage'] as const)
  for (const capability of sufficient) if (await hasCapability(db, user, capability, scope)) return
  throw new Failure('forbidden', `asking what would become of an order of ${name} needs ${sufficient[0]}`)
}

async function decisionOf(
  { db }: Installation,
  { organizationId, authorityId }: RaProfile,
  { outcome }: Verdict,
  { people }: Requester,
): Promise<NonNullable<Simulation['decision']>> {
  const steps = outcome.kind === 'require' ? outcome.steps : []
  const named = await Promise.all(
    steps.map(async (step) => {
      const users = await eligibleUsers(db, step, { organizationId, authorityId })
      return { ...step, mayApprove: users.filter(({ id }) => !people.includes(id)).map(({ name }) => name) }
    }),
  )
  return {
    outcome: outcome.kind,
    rule: outcome.rule,
    version: outcome.version,
    ...(outcome.kind === 'deny' ? { message: outcome.message } : {}),
    steps: named,
  }
}
