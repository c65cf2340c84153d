import { transaction } from '../db/transaction.ts'
import { raiseAlert } from './alert.ts'
import { audit } from './audit.ts'
import type { Claim, SignAnswer } from './core.ts'
import { openDecision } from './decision.ts'
import { Failure, type FailureCode } from './failure.ts'
import type { Installation } from './installation.ts'
import { insertSignRequest, type Order } from './newRequest.ts'
import { findByOrigin } from './records.ts'
import type { SignRequest } from './request.ts'

/** What the decision names in place of a rule: rules of people have a version. */
export const byPolicy = { rule: 'policy', version: '' } as const

/**
 * An order that a hard policy refuses: thrown back where the client's own record lives on, else stored as denied with
 * all its parameters. Either way it is audited as certificate.policy_hard_fail and raises an alert; the same order again gets the stored one back.
 */
export async function refuse(it: Installation, order: Order, claim: Claim | undefined): Promise<SignAnswer> {
  const { draft, requester, admission, now } = order
  const { refusals } = admission
  const detail = refusals.map((refusal) => refusal.detail).join('; ')
  const answer = await transaction(it.db, async (db) => {
    const known = draft.origin && (await findByOrigin(db, draft.origin))
    if (draft.refusal === 'store' && known && answers(known.request, order, detail))
      return { request: known.request, repeat: true }
    let id: number | null = null
    let stored: SignAnswer | undefined
    if (draft.refusal === 'store') {
      await claim?.(db)
      const generation = known ? known.generation + 1 : 0
      const request = await insertSignRequest(db, order, {
        status: 'denied',
        findings: admission.findings,
        generation,
        attempt: 0,
        reason: detail,
      })
      if (!request) throw new Failure('conflict', 'the same order has just arrived')
      id = request.id
      stored = { request, repeat: false }
      const { organizationId, authorityId, revision } = request
      const outcome = { kind: 'deny', ...byPolicy, message: detail } as const
      await openDecision(db, {
        kind: 'sign',
        requestId: id,
        revision,
        organizationId,
        authorityId,
        requester,
        outcome,
        hash: '',
        at: now,
      })
      await audit(db, requester, now, {
        action: 'sign_request.denied',
        organizationId,
        subject: { kind: 'sign_request', id },
        status: 'denied',
        details: { protocol: draft.protocol, profile: draft.profile.name, rule: 'policy' },
      })
    }
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
  })
  if (answer) return answer
  throw new Failure(codeOf(refusals.map(({ code }) => code)), detail, { problems: refusals })
}

/** An earlier record of the origin that is still open, or was refused by the same words: who asks on and on makes no rows by it. */
function answers({ status, reason, endedAt }: SignRequest, { draft, now }: Order, detail: string): boolean {
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
