import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Csr } from '../../pki/csr.ts'
import { withoutChallenge } from '../../pki/csr.ts'
import { audit } from '../audit/audit.ts'
import type { Claim, SignAnswer } from '../core.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { admit, orderProblems } from '../profile/policy.ts'
import { subjectOf } from '../profile/subject.ts'
import { asBadCsr } from '../request/csr.ts'
import { findByOrigin } from '../request/records.ts'
import type { Finding, SignDraft, WantedCertificate } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { askedOf, keepAsked } from './asked.ts'
import { insertRequestRow } from './newRequest.ts'
import { checkRegistration, keptRegistration, type RegistrationDraft } from './registration.ts'

/** An order that is only stored, with or without its CSR. */
export interface ParkDraft extends SignDraft {
  /** Its identity is fixed from now on: it is submitted with a CSR that names exactly that. */
  registration?: RegistrationDraft
}

/**
 * Stores an order in `draft`: no rule is asked, nobody votes, and what policy would refuse is only a finding, for it may have changed by the
 * time it is submitted. See Door.park.
 */
export async function park(
  it: Installation,
  requester: Requester,
  draft: ParkDraft,
  claim?: Claim,
): Promise<SignAnswer> {
  const now = it.clock()
  const { registration } = draft
  const asked = { ...askedOf(draft), editable: true }
  if (registration) {
    if (draft.csr) throw new Failure('malformed', 'a registration comes before its certificate request')
    checkRegistration(registration, asked, now)
  }
  const csr = draft.csr && withoutChallenge(draft.csr)
  const { wanted, findings } = foreseen(draft, csr, now)
  const order = { draft, requester, wanted, now, ...(csr ? { csr } : {}) }
  return transaction(it.db, async (db) => {
    const known = draft.origin && (await findByOrigin(db, draft.origin))
    if (known && stillAnswers(known.request, draft, now)) return { request: known.request, repeat: true }
    await claim?.(db)
    const generation = known ? known.generation + 1 : 0
    const made = await insertRequestRow(db, order, { status: 'draft', findings, generation, attempt: 0 })
    if (!made) throw new Failure('conflict', 'the same order has just arrived')
    await keepAsked(db, made.id, asked, registration && keptRegistration(it, made.uuid, registration))
    const expiresAt = endOf(draft, now)
    if (expiresAt) await setExpiry(db, made.id, expiresAt)
    await audit(db, requester, now, {
      action: 'sign_request.draft',
      organizationId: made.organizationId,
      subject: { kind: 'sign_request', id: made.id },
      status: 'draft',
      details: {
        protocol: draft.protocol,
        profile: draft.profile.name,
        ...(registration ? { registered: true, secret: registration.secret !== undefined } : {}),
      },
    })
    return { request: { ...made, ...(expiresAt ? { expiresAt } : {}) }, repeat: false }
  })
}

/** A registration ends when it says so, if ever: whoever made it waits for somebody. Nobody waits for an order that was left lying. */
function endOf({ registration, profile }: ParkDraft, now: Date): Date | undefined {
  return registration ? registration.expiresAt : new Date(now.getTime() + profile.settings.parkedFor)
}

/** The same word again is answered by the record that it made, while that is open and for the profile's repeatWindow. */
function stillAnswers({ endedAt }: { endedAt?: Date }, { profile }: SignDraft, now: Date): boolean {
  return !endedAt || endedAt.getTime() + profile.settings.repeatWindow >= now.getTime()
}

async function setExpiry(db: Database, id: number, expiresAt: Date): Promise<void> {
  await withTables<CoreTables>(db)
    .updateTable('sign_requests')
    .set({ expires_at: expiresAt.getTime() })
    .where('id', '=', id)
    .execute()
}

/** What policy would make of it today. Throws Failure('badKey' | 'badCsr') for what no setting allows. */
export function foreseen(
  draft: SignDraft,
  csr: Csr | undefined,
  now: Date,
): { wanted: WantedCertificate; findings: Finding[] } {
  const { settings } = draft.profile
  const finding = ({ policy, detail }: { policy: string; detail: string }): Finding => ({
    by: 'policy',
    check: policy,
    detail,
  })
  if (csr) {
    const { wanted, findings, refusals } = asBadCsr(() => admit(settings, csr, draft, now))
    return { wanted, findings: [...findings, ...refusals.map(finding)] }
  }
  const { identifiers = [], requestedSubject, subject, notBefore, notAfter } = draft
  const { certificate } = settings
  return {
    wanted: {
      type: certificate.type,
      subject: subjectOf(certificate, { subject: requestedSubject ?? [] }, identifiers, subject),
      identifiers,
      ...(notBefore ? { notBefore: notBefore.getTime() } : {}),
      ...(notAfter ? { notAfter: notAfter.getTime() } : {}),
      validity: certificate.validity.default,
      backdate: certificate.validity.backdate,
      mustStaple: false,
    },
    findings: orderProblems(settings, identifiers, { notBefore, notAfter }, now).map(finding),
  }
}
