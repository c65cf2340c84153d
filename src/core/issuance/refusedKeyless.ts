import type { Database } from '../../db/open.ts'
import { transaction } from '../../db/transaction.ts'
import type { KeyWish } from '../../pki/csrAttributes.ts'
import type { KeyRequest } from '../../pki/keyRequest.ts'
import type { Verdict } from '../approval/approval.ts'
import { openDecision } from '../approval/decision.ts'
import type { Claim, SignAnswer } from '../core.ts'
import type { Installation } from '../installation.ts'
import { serverKeyKind } from '../key/serverKeyKind.ts'
import { staged } from '../measure.ts'
import type { AskedKey } from '../profile/policy.ts'
import { findByOrigin } from '../request/records.ts'
import type { SignDraft } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import { withOrderers } from './holder.ts'
import { judgeKeyless } from './judge.ts'
import { type KeylessOrder, unlessRaced } from './newRequest.ts'
import { anew, refuse } from './refusal.ts'
import { stands } from './sign.ts'
import { auditSubmitted } from './submitted.ts'

interface Wanted {
  draft: SignDraft
  request: KeyRequest
}

/** See ServerKeys.refused: policy and rules see what kind of key it would be, so that nobody has one made who is refused whatever it is. */
export async function refusedKeyless(
  it: Installation,
  requester: Requester,
  { draft, request }: Wanted,
  claim: Claim | undefined,
): Promise<SignAnswer | undefined> {
  const publicKey = keyOf(serverKeyKind(draft.profile.settings.certificate.keys, request.kind))
  const { order, verdict } = await staged(it, 'policy', draft.protocol, async () =>
    judgeKeyless(it, await withOrderers(it.db, requester), draft, { ...request, publicKey }),
  )
  if (!verdict) return refuse(it, order, claim)
  return verdict.outcome.kind === 'deny' ? deny(it, order, verdict, claim) : undefined
}

const EC_SIZES = { 'P-256': 256, 'P-384': 384, 'P-521': 521 }

function keyOf(kind: KeyWish): AskedKey {
  switch (kind.algorithm) {
    case 'RSA':
      return kind
    case 'EC':
      return { ...kind, size: EC_SIZES[kind.curve] }
    case 'Ed25519':
      return { ...kind, size: 256 }
  }
}

/** As an order with a CSR that a rule denies: the same again gets the stored one back. */
function deny(
  it: Installation,
  order: KeylessOrder,
  { outcome, findings: noticed }: Verdict,
  claim: Claim | undefined,
): Promise<SignAnswer> {
  const { draft, requester, admission, now } = order
  const store = async (db: Database): Promise<SignAnswer> => {
    const known = draft.origin && (await findByOrigin(db, draft.origin))
    if (known && (await stands(db, known.request, order))) return { request: known.request, repeat: true }
    await claim?.(db)
    const request = await anew(
      db,
      order,
      known ? known.generation + 1 : 0,
    )({
      status: 'denied',
      findings: [...admission.findings, ...noticed],
      attempt: 0,
      ...(outcome.kind === 'deny' ? { reason: outcome.message } : {}),
      details: { protocol: draft.protocol, profile: draft.profile.name, rule: outcome.rule, outcome: outcome.kind },
    })
    await auditSubmitted(db, order, request)
    const { organizationId, authorityId, id: requestId, revision } = request
    const about = { kind: 'sign', requestId, revision, organizationId, authorityId } as const
    await openDecision(db, { ...about, requester, outcome, hash: '', at: now })
    return { request, repeat: false }
  }
  return unlessRaced(() => transaction(it.db, store))
}
