import { createHash } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Outcome, Verdict } from '../approval/approval.ts'
import { openDecision, requestHash, type Standing } from '../approval/decision.ts'
import { findRemembered, rememberedScope } from '../approval/remember.ts'
import { findGranted } from '../approval/standingUse.ts'
import type { Claim, SignAnswer } from '../core.ts'
import type { Installation } from '../installation.ts'
import { staged } from '../measure.ts'
import type { Finding, SignRequest, SignStatus } from '../request/request.ts'
import { requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type Attempt, refuseBlockedKey, storeAttempt } from './attempt.ts'
import { runAttempt } from './issue.ts'
import { type Order, Raced, unlessRaced } from './newRequest.ts'
import { auditSubmitted } from './submitted.ts'

/** What the rules made of an order: how its record is to stand, and what its audit row tells. */
export interface Passing {
  status: Extract<SignStatus, 'signing' | 'denied' | 'requested'>
  findings: Finding[]
  /** 1 where the first attempt is stored with it. */
  attempt: number
  reason?: string
  details: Record<string, unknown>
}

/** Makes the record of an order, or brings the one that is there to where it stands now; both with the audit row. */
export type Place = (passing: Passing) => Promise<SignRequest>

export interface Deciding {
  verdict: Verdict
  claim: Claim | undefined
  /** It is the same order, edited. */
  again?: boolean
}

export interface Made {
  request: SignRequest
  repeat: boolean
  attempt?: Attempt
}

/** Runs `make` in a transaction, anew when another one was faster, and then the attempt that it stored. */
export async function passing(
  it: Installation,
  order: Order,
  make: (db: Database) => Promise<Made>,
): Promise<SignAnswer> {
  const { request, repeat, attempt } = await unlessRaced(() =>
    staged(it, 'record', order.draft.protocol, () => transaction(it.db, make)),
  )
  if (repeat || !attempt) return { request, repeat }
  return { request: await runAttempt(it, request, attempt, order.csr), repeat: false }
}

/**
 * What every order goes through once it is judged, be it new, parked before or edited: the claim, an approval that is remembered, its record
 * (`place`), its decision, and, where that lets it pass, its first attempt. In the caller's transaction. Throws Raced; Failure('badKey').
 */
export async function pass(
  db: Database,
  it: Installation,
  { order, verdict, claim, again }: Deciding & { order: Order },
  place: Place,
): Promise<Made> {
  await claim?.(db)
  const { outcome } = verdict
  const { draft, authority } = order
  const findings = [...order.admission.findings, ...verdict.findings]
  const remembered = await findStanding(db, order, outcome, findings)
  const status = remembered ? 'signing' : statusOf[outcome.kind]
  const placed = await place({
    status,
    findings,
    attempt: status === 'signing' && authority.signs.sign ? 1 : 0,
    ...(outcome.kind === 'deny' ? { reason: outcome.message } : {}),
    details: {
      protocol: draft.protocol,
      profile: draft.profile.name,
      rule: outcome.rule,
      outcome: remembered?.kind ?? outcome.kind,
      // Whose approval it is: request show names them, audit verify looks at them.
      ...(remembered ? standsOn(remembered) : {}),
    },
  })
  await auditSubmitted(db, order, placed, again)
  const request = await openSignDecision(db, order, placed, { outcome, ...(remembered ? { remembered } : {}) })
  const { spkiHash } = order.csr.publicKey
  const { issuer, settings } = authority
  if (request.attempt === 0 || !issuer) {
    await refuseBlockedKey(db, spkiHash)
    return { request, repeat: false }
  }
  const attempt = await storeAttempt(
    db,
    it,
    { id: request.id, revision: request.revision, number: 1, spkiHash },
    { id: issuer.id, shards: settings.crlShards, crlIssuer: settings.crlIssuer },
  )
  return { request, repeat: false, attempt }
}

const statusOf = { auto: 'signing', deny: 'denied', require: 'requested' } as const satisfies Record<
  Outcome['kind'],
  Passing['status']
>

/** A remembered or a standing approval that stands in for the people whom the rule asks for. */
async function findStanding(
  db: Database,
  { draft, requester, admission, now }: Order,
  outcome: Outcome,
  findings: Finding[],
): Promise<Standing | undefined> {
  if (outcome.kind !== 'require') return undefined
  const remembered = await findRemembered(db, {
    profileId: draft.profile.id,
    action: draft.action,
    requesterKey: requesterKey(requester),
    people: requester.people,
    ruleVersion: outcome.version,
    scope: rememberedScope(admission.wanted, findings, now),
    at: now,
  })
  const { profile, action } = draft
  const { wanted } = admission
  return remembered ?? findGranted(db, { profile, action, requester, outcome, wanted, findings, at: now })
}

function standsOn(standing: Standing): Record<string, unknown> {
  return standing.kind === 'granted' ? { standingApproval: standing.id } : { decision: standing.decisionId }
}

/** Stores the decision; a request that now waits learns until when, and whether anybody is left to approve it. */
async function openSignDecision(
  db: Database,
  { draft, csr, requester, now }: Order,
  request: SignRequest,
  decided: { outcome: Outcome; remembered?: Standing },
): Promise<SignRequest> {
  const { outcome } = decided
  const hash =
    outcome.kind === 'require'
      ? requestHash({
          kind: 'sign',
          action: draft.action,
          profile: draft.profile.name,
          requester,
          revision: request.revision,
          findings: request.findings,
          ruleVersion: outcome.version,
          csrHash: createHash('sha256').update(csr.der).digest('hex'),
          wanted: request.wanted,
        })
      : ''
  const { organizationId, authorityId, id: requestId, revision } = request
  const opened = await openDecision(db, {
    kind: 'sign',
    requestId,
    revision,
    organizationId,
    authorityId,
    requester,
    hash,
    at: now,
    ...decided,
  })
  if (decided.remembered && opened.outcome === 'waiting') throw new Raced()
  if (opened.outcome !== 'waiting') return request
  const findings = [...request.findings, ...opened.findings]
  await withTables<CoreTables>(db)
    .updateTable('sign_requests')
    .set({ expires_at: opened.expiresAt?.getTime() ?? null, findings: JSON.stringify(findings) })
    .where('id', '=', request.id)
    .execute()
  return { ...request, findings, ...(opened.expiresAt ? { expiresAt: opened.expiresAt } : {}) }
}
