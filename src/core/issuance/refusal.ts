import type { Database } from '../../db/open.ts'
import { transaction } from '../../db/transaction.ts'
import { openDecision } from '../approval/decision.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import type { Claim, SignAnswer } from '../core.ts'
import { Failure, type FailureCode } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { findByOrigin } from '../request/records.ts'
import type { SignRequest } from '../request/request.ts'
import { askedOf, keepAsked } from './asked.ts'
import { insertSignRequest, type KeylessOrder, Raced, unlessRaced } from './newRequest.ts'
import type { Passing, Place } from './pass.ts'

/** What the decision names in place of a rule: rules of people have a version. */
export const byPolicy = { rule: 'policy', version: '' } as const

/**
 * An order that a hard policy refuses: thrown back where the client's own record lives on, else stored as denied with
 * all its parameters. Either way it is audited as certificate.policy_hard_fail and raises an alert; the same order again gets the stored one back.
 * `parked` brings the record of one that was parked to where it stands now; absent: a new one is made.
 */
export async function refuse(
  it: Installation,
  order: KeylessOrder,
  claim: Claim | undefined,
  parked?: (db: Database) => Place,
): Promise<SignAnswer> {
  const { draft, requester, admission, now } = order
  const { refusals } = admission
  const detail = refusals.map((refusal) => refusal.detail).join('; ')
  const store = async (db: Database): Promise<SignAnswer | undefined> => {
    const known = !parked && draft.origin ? await findByOrigin(db, draft.origin) : undefined
    if (draft.refusal === 'store' && known && answers(known.request, order, detail))
      return { request: known.request, repeat: true }
    let stored: SignAnswer | undefined
    if (draft.refusal === 'store') {
      await claim?.(db)
      const place = parked?.(db) ?? anew(db, order, known ? known.generation + 1 : 0)
      stored = { request: await storeDenied(db, order, detail, place), repeat: false }
    }
    const id = stored?.request.id ?? null
    await audit(db, requester, now, {
      action: 'certificate.policy_hard_fail',
      organizationId: draft.profile.organizationId,
      subject: { kind: 'profile', id: draft.profile.id },
      details: { protocol: draft.protocol, request: id, policies: refusals.map(({ policy }) => policy), detail },
    })
    await raiseAlert(db, now, {
      kind: 'policy_refusal',
      organizationId: draft.profile.organizationId,
      subject: { kind: 'profile', id: draft.profile.id },
      // Without what varies from try to try: one alert for one client and policy.
      detail: `${requester.name}: orders refused by ${[...new Set(refusals.map(({ policy }) => policy))].join(', ')}`,
    })
    return stored
  }
  const answer = await unlessRaced(() => transaction(it.db, store))
  if (answer) return answer
  throw new Failure(codeOf(refusals.map(({ code }) => code)), detail, { problems: refusals })
}

/** The record of a new order that is refused. Throws Raced. */
export function anew(db: Database, order: KeylessOrder, generation: number): Place {
  return async ({ details, ...made }: Passing) => {
    const request = await insertSignRequest(db, order, { ...made, generation })
    if (!request) throw new Raced()
    // Without a CSR it would be taken for one that still waits for it.
    if (!('csr' in order)) await keepAsked(db, request.id, askedOf(order.draft))
    await audit(db, order.requester, order.now, {
      action: 'sign_request.denied',
      organizationId: request.organizationId,
      subject: { kind: 'sign_request', id: request.id },
      status: 'denied',
      details,
    })
    return request
  }
}

async function storeDenied(db: Database, order: KeylessOrder, detail: string, place: Place): Promise<SignRequest> {
  const { draft, requester, admission, now } = order
  const request = await place({
    status: 'denied',
    findings: admission.findings,
    attempt: 0,
    reason: detail,
    details: { protocol: draft.protocol, profile: draft.profile.name, rule: byPolicy.rule },
  })
  const { id: requestId, organizationId, authorityId, revision } = request
  await openDecision(db, {
    kind: 'sign',
    requestId,
    revision,
    organizationId,
    authorityId,
    requester,
    outcome: { kind: 'deny', ...byPolicy, message: detail },
    hash: '',
    at: now,
  })
  return request
}

/** An earlier record of the origin that is still open, or was refused by the same words: who asks on and on makes no rows by it. */
function answers({ status, reason, endedAt }: SignRequest, { draft, now }: KeylessOrder, detail: string): boolean {
  if (!endedAt) return true
  const until = endedAt.getTime() + draft.profile.settings.repeatWindow
  return status === 'denied' && reason === detail && until >= now.getTime()
}

/** One code for several problems: their own where they agree, else that of the request as a whole. */
function codeOf(codes: FailureCode[]): FailureCode {
  const [first] = codes
  if (first !== undefined && codes.every((code) => code === first)) return first
  return codes.includes('badKey') ? 'badCsr' : (first ?? 'malformed')
}
