import { createHash } from 'node:crypto'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { withoutChallenge } from '../pki/csr.ts'
import type { Outcome, Verdict } from './approval.ts'
import { type Attempt, refuseBlockedKey, storeAttempt } from './attempt.ts'
import { audit } from './audit.ts'
import { type LoadedAuthority, loadAuthority } from './authority.ts'
import { hasCapability } from './capability.ts'
import { type Certificate, findRenewed } from './certificate.ts'
import type { Claim, SignAnswer } from './core.ts'
import { asBadCsr } from './csr.ts'
import { decide } from './decide.ts'
import { openDecision, requestHash } from './decision.ts'
import { authorityUnder } from './earlierKey.ts'
import { signFacts } from './facts.ts'
import { Failure } from './failure.ts'
import { takeForeseen } from './foreseen.ts'
import type { Installation } from './installation.ts'
import { runAttempt } from './issue.ts'
import { insertSignRequest, type Order, Raced } from './newRequest.ts'
import { admit, type Refusal } from './policy.ts'
import { findByOrigin } from './records.ts'
import { byPolicy, refuse } from './refusal.ts'
import { findRemembered, type Remembered, rememberedScope } from './remember.ts'
import type { Finding, SignDraft, SignRequest, SignStatus } from './request.ts'
import { type Requester, requesterKey } from './requester.ts'
import { nextAuthority } from './rollover.ts'
import type { CoreTables } from './tables.ts'

/** The one road: policy, rules, record, and where the rules say auto, the certificate. See Door.sign. */
export async function sign(
  it: Installation,
  requester: Requester,
  draft: SignDraft,
  claim?: Claim,
): Promise<SignAnswer> {
  const { csr: given, profile } = draft
  if (!given) throw new Failure('malformed', 'a certificate request is needed')
  const csr = withoutChallenge(given)
  const now = it.clock()
  const authority = await authorityFor(it, draft)
  refuseEnded(authority, now)
  const admission = asBadCsr(() => admit(profile.settings, csr, draft, now))
  admission.refusals.push(...beyondIssuer(authority, draft))
  if (draft.issuer !== undefined) admission.wanted.issuer = draft.issuer
  const order: Order = { draft, csr, requester, authority, admission, now }
  if (admission.refusals.length > 0) return refuse(it, order, claim)
  const renewed = await findRenewed(it.db, draft.renews)
  const verdict = decide(profile.rules[draft.action], await factsOf(it, order, renewed))
  return record(it, order, verdict, claim)
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

async function factsOf(it: Installation, order: Order, renewed: Certificate | undefined) {
  const { draft, csr, requester, admission, now } = order
  const { organizationId, authorityId, id: profileId } = draft.profile
  const [person] = requester.kind === 'user' || requester.kind === 'token' ? requester.people : []
  const capable =
    person !== undefined &&
    (await hasCapability(it.db, person, 'create_cert', { organizationId, authorityId, profileId }))
  return signFacts(requester, draft, { csr, wanted: admission.wanted, ...(renewed ? { renewed } : {}), capable, now })
}

/** Said before anything is stored: such an order could only ever fail. */
function refuseEnded({ name, issuer, withdrawn }: LoadedAuthority, now: Date): void {
  if (withdrawn)
    throw new Failure('unavailable', `the certificate of the authority ${name} was revoked: it issues nothing`)
  if (issuer && issuer.certificate.notAfter <= now)
    throw new Failure('unavailable', `the certificate of the authority ${name} has ended: it issues nothing`)
}

function beyondIssuer(authority: LoadedAuthority, { notAfter }: SignDraft): Refusal[] {
  const end = authority.issuer?.certificate.notAfter
  if (!notAfter || !end || notAfter <= end) return []
  const detail = `the authority's own certificate ends on ${end.toISOString()}: nothing can be issued beyond`
  return [{ policy: 'validity', at: 'notAfter', code: 'malformed', detail }]
}

/** Stores the record with its decision and, if the decision lets it pass, its first attempt, which then runs. */
async function record(it: Installation, order: Order, verdict: Verdict, claim: Claim | undefined): Promise<SignAnswer> {
  for (let tries = 0; tries < 5; tries++) {
    const made = await transaction(it.db, (db) => makeRecord(db, it, order, { verdict, claim })).catch(whenRaced)
    if (made === 'raced') continue
    if (made.repeat || !made.attempt) return { request: made.request, repeat: made.repeat }
    return { request: await runAttempt(it, made.request, made.attempt, order.csr), repeat: false }
  }
  throw new Failure('unavailable', 'the same order arrives many times at once; ask again')
}

function whenRaced(error: unknown): 'raced' {
  if (error instanceof Raced) return 'raced'
  throw error
}

interface Made {
  request: SignRequest
  repeat: boolean
  attempt?: Attempt
}

interface Deciding {
  verdict: Verdict
  claim: Claim | undefined
}

async function makeRecord(db: Database, it: Installation, order: Order, { verdict, claim }: Deciding): Promise<Made> {
  const { draft, now } = order
  const known = draft.origin && (await findByOrigin(db, draft.origin))
  if (known && !known.request.csr) {
    const foreseen = await takeForeseen(db, it, order, { request: known.request, verdict, claim })
    if (foreseen) return foreseen
  } else if (known && (await stands(db, known.request, order))) return { request: known.request, repeat: true }
  await claim?.(db)
  const { outcome } = verdict
  const findings = [...order.admission.findings, ...verdict.findings]
  const remembered = await findStanding(db, order, outcome, findings)
  const status = remembered ? 'signing' : statusOf[outcome.kind]
  const waiting = await insertSignRequest(db, order, {
    status,
    findings,
    generation: known ? known.generation + 1 : 0,
    attempt: status === 'signing' && order.authority.signs.sign ? 1 : 0,
    ...(outcome.kind === 'deny' ? { reason: outcome.message } : {}),
  })
  if (!waiting) throw new Raced()
  const request = await openSignDecision(db, order, waiting, { outcome, ...(remembered ? { remembered } : {}) })
  await audit(db, order.requester, now, {
    action: `sign_request.${status}`,
    organizationId: request.organizationId,
    subject: { kind: 'sign_request', id: request.id },
    status,
    details: {
      protocol: draft.protocol,
      profile: draft.profile.name,
      rule: outcome.rule,
      outcome: remembered ? 'remembered' : outcome.kind,
      // Whose approval it is: request show names them, audit verify looks at them.
      ...(remembered ? { decision: remembered.decisionId } : {}),
    },
  })
  const { spkiHash } = order.csr.publicKey
  const { issuer, settings } = order.authority
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
  SignStatus
>

/** A remembered approval that stands in for the people whom the rule asks for. */
async function findStanding(
  db: Database,
  { draft, requester, admission, now }: Order,
  outcome: Outcome,
  findings: Finding[],
): Promise<Remembered | undefined> {
  if (outcome.kind !== 'require') return undefined
  return findRemembered(db, {
    profileId: draft.profile.id,
    action: draft.action,
    requesterKey: requesterKey(requester),
    ruleVersion: outcome.version,
    scope: rememberedScope(admission.wanted, findings, now),
    at: now,
  })
}

/** Stores the decision; a request that now waits learns until when, and whether anybody is left to approve it. */
async function openSignDecision(
  db: Database,
  { draft, csr, requester, now }: Order,
  request: SignRequest,
  decided: { outcome: Outcome; remembered?: Remembered },
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
  if (decided.remembered && opened.outcome !== 'remembered') throw new Raced()
  if (opened.outcome !== 'waiting') return request
  const findings = [...request.findings, ...opened.findings]
  await withTables<CoreTables>(db)
    .updateTable('sign_requests')
    .set({ expires_at: opened.expiresAt?.getTime() ?? null, findings: JSON.stringify(findings) })
    .where('id', '=', request.id)
    .execute()
  return { ...request, findings, ...(opened.expiresAt ? { expiresAt: opened.expiresAt } : {}) }
}

/** Whether an earlier record of the origin still answers this order. */
async function stands(db: Database, request: SignRequest, { draft, now }: Order): Promise<boolean> {
  if (draft.once || !request.endedAt) return true
  if (request.endedAt.getTime() + draft.profile.settings.repeatWindow < now.getTime()) return false
  // Here policy refuses nothing: what it refused then was changed since.
  if (request.status === 'denied') return !(await refusedByPolicy(db, request))
  if (request.status !== 'signed') return true
  const certificate = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select('status')
    .where('id', '=', request.id)
    .executeTakeFirst()
  return certificate?.status !== 'revoked'
}

async function refusedByPolicy(db: Database, { id, revision }: SignRequest): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .select('id')
    .where('sign_request_id', '=', id)
    .where('revision', '=', revision)
    .where('rule', '=', byPolicy.rule)
    .where('rule_version', '=', byPolicy.version)
    .executeTakeFirst()
  return row !== undefined
}
