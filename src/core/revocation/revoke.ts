import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { reasonCodes } from '../../pki/crl.ts'
import type { Outcome, Verdict } from '../approval/approval.ts'
import { openDecision, requestHash } from '../approval/decision.ts'
import { revokeFacts } from '../approval/facts.ts'
import { audit } from '../audit/audit.ts'
import { type LoadedAuthority, loadAuthority } from '../authority/authority.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import type { Claim } from '../core.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import type { Installation } from '../installation.ts'
import { destroyWithRevocation, toldOfKey } from '../key/keyPairDestroy.ts'
import { tallyAsked } from '../measure.ts'
import { decide } from '../profile/decide.ts'
import type { RaProfile } from '../profile/profile.ts'
import { loadProfile } from '../profile/profiles.ts'
import { readRevokeRequest } from '../request/records.ts'
import type { RevokeDraft, RevokeRequest, RevokeStatus } from '../request/request.ts'
import { moveRevokeRequest } from '../request/transition.ts'
import { type Requester, requesterKey, scopeOf } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { cancelLifting, lifting } from './hold.ts'
import { refuseUnpublished } from './noRevAvail.ts'
import { recentDenial, resolveOpen } from './openRevocation.ts'
import { alreadyRevoked, blockCompromisedKey, release, withdraw } from './withdraw.ts'

/** RFC 5280 section 5.3.1, less what only a delta CRL says. unspecified is accepted, and neither CRL nor OCSP repeats it. */
const reasons = Object.keys(reasonCodes).filter((name) => name !== 'removeFromCRL')

/** A revocation on its way through the core. */
export interface Revocation {
  draft: RevokeDraft
  requester: Requester
  certificate: Certificate
  authority: LoadedAuthority
  profile: RaProfile
  verdict: Verdict
  facts: unknown
  now: Date
}

/** See Door.revoke. One open request a certificate: who asks meanwhile gets that one back. */
export async function revoke(
  it: Installation,
  requester: Requester,
  draft: RevokeDraft,
  claim?: Claim,
): Promise<RevokeRequest> {
  if (draft.reason !== undefined && !reasons.includes(draft.reason)) {
    throw new Failure('badReason', `the reason is one of ${reasons.join(', ')}, or none`)
  }
  const certificate = await findCertificate(it.db, { id: draft.certificate })
  if (!certificate) throw new Failure('notFound', 'there is no such certificate')
  const wanted = draft.reason === 'certificateHold' ? 'hold' : 'revoked'
  if (certificate.status === 'revoked' || certificate.status === wanted) throw alreadyRevoked(wanted)
  const now = it.clock()
  if (draft.invalidityDate && !(draft.invalidityDate <= now))
    throw new Failure('malformed', 'a key cannot be known to be compromised since a time that has not come yet')
  const authority = await loadAuthority(it, certificate.authorityId)
  if (authority.kind === 'acme' && wanted === 'hold')
    throw new Failure('badReason', 'an upstream CA puts nothing on hold: revoke the certificate for another reason')
  const profile =
    draft.profile ?? (certificate.profileId === undefined ? undefined : await loadProfile(it.db, certificate.profileId))
  if (!profile || certificate.profileId === undefined)
    throw new Failure('unsupported', 'this certificate was not issued here and cannot be revoked here')
  const capable = await mayRevoke(it.db, requester, certificate)
  const facts = revokeFacts(requester, draft, { certificate, profile: profile.name, capable, now })
  const verdict = await toldOfKey(it.db, draft, { certificate, verdict: decide(profile.rules.revoke, facts), at: now })
  await refuseUnpublished(it, { draft, requester, certificate, verdict, now })
  const revocation = { draft, requester, certificate, authority, profile, verdict, facts, now }
  for (let tries = 0; tries < 5; tries++) {
    const request = await transaction(it.db, (db) => makeRequest(db, revocation, claim))
    if (request) return request
  }
  throw new Failure('unavailable', 'the same revocation arrives many times at once; ask again')
}

async function mayRevoke(db: Database, requester: Requester, certificate: Certificate): Promise<boolean> {
  const [person] = requester.kind === 'user' || requester.kind === 'token' ? requester.people : []
  if (person === undefined) return false
  const { organizationId, authorityId, profileId } = certificate
  return hasCapability(db, { id: person, ...scopeOf(requester) }, 'revoke_cert', {
    organizationId,
    authorityId,
    ...(profileId === undefined ? {} : { profileId }),
  })
}

async function makeRequest(
  db: Database,
  revocation: Revocation,
  claim: Claim | undefined,
): Promise<RevokeRequest | undefined> {
  const { draft, certificate, verdict, authority } = revocation
  const open = await withTables<CoreTables>(db)
    .selectFrom('revoke_requests')
    .select('id')
    .where('certificate_id', '=', certificate.id)
    .where('status', 'in', ['requested', 'revoking'])
    .executeTakeFirst()
  // A proof by the key itself does not wait behind a request that waits for people.
  const standing = open && (await resolveOpen(db, await readRevokeRequest(db, open.id), revocation))
  if (standing) return standing
  const denied = await recentDenial(db, revocation)
  if (denied) return denied
  await claim?.(db)
  const { outcome } = verdict
  const status = statusFor(outcome, authority)
  if (open && status !== 'denied') await cancelLifting(db, open.id, revocation)
  const request = await insertRevokeRequest(db, revocation, status)
  if (!request) return undefined
  const opened = await openRevokeDecision(db, revocation, request)
  if (status === 'revoked') {
    const { invalidityDate } = draft
    await withdraw(db, { ...revocation, ...(invalidityDate ? { invalidityDate } : {}) }, draft.reason)
    // Who only holds the names knows nothing of the key: his word does not block it for others.
    if (draft.reason === 'keyCompromise' && draft.grounds !== 'names')
      await blockCompromisedKey(db, certificate.spkiHash, revocation.now)
    if (draft.destroyKey)
      await destroyWithRevocation(db, {
        certificate,
        request: request.id,
        actor: revocation.requester,
        at: revocation.now,
      })
  }
  await audit(db, revocation.requester, revocation.now, {
    action: `revoke_request.${status}`,
    organizationId: request.organizationId,
    subject: { kind: 'revoke_request', id: request.id },
    status,
    details: {
      certificate: certificate.serial,
      reason: draft.reason ?? null,
      rule: outcome.rule,
      outcome: outcome.kind,
      grounds: draft.grounds,
    },
  })
  return opened
}

function statusFor(outcome: Outcome, authority: LoadedAuthority): RevokeStatus {
  if (outcome.kind === 'deny') return 'denied'
  if (outcome.kind === 'require') return 'requested'
  return authority.kind === 'local' ? 'revoked' : 'revoking'
}

async function insertRevokeRequest(
  db: Database,
  revocation: Revocation,
  status: RevokeStatus,
): Promise<RevokeRequest | undefined> {
  const { draft, requester, certificate, profile, verdict, facts, now } = revocation
  const ended = status === 'denied' || status === 'revoked'
  const { outcome } = verdict
  const row = await withTables<CoreTables>(db)
    .insertInto('revoke_requests')
    .values({
      uuid: uuidv7(now),
      organization_id: certificate.organizationId,
      profile_id: profile.id,
      authority_id: certificate.authorityId,
      certificate_id: certificate.id,
      status,
      revision: 1,
      protocol: draft.protocol,
      requester: JSON.stringify(requester),
      requester_key: requesterKey(requester),
      source_address: requester.source ?? null,
      code: draft.reason ?? null,
      invalidity_at: draft.invalidityDate?.getTime() ?? null,
      destroy_key: draft.destroyKey ? 1 : 0,
      facts: JSON.stringify(facts),
      findings: JSON.stringify(verdict.findings),
      last_error: null,
      reason: outcome.kind === 'deny' ? outcome.message : null,
      created_at: now.getTime(),
      updated_at: now.getTime(),
      expires_at: null,
      ended_at: ended ? now.getTime() : null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!row) return undefined
  const asked = { protocol: draft.protocol, profileId: profile.id, what: draft.reason ?? null }
  tallyAsked(db, 'revoke_request', asked, status)
  return readRevokeRequest(db, row.id)
}

async function openRevokeDecision(
  db: Database,
  revocation: Revocation,
  request: RevokeRequest,
): Promise<RevokeRequest> {
  const { certificate, requester, profile, verdict, draft, now } = revocation
  const { outcome } = verdict
  const hash = requestHash({
    kind: 'revoke',
    action: 'revoke',
    profile: profile.name,
    requester,
    revision: request.revision,
    findings: request.findings,
    ruleVersion: outcome.version,
    certificate: { id: certificate.id, serial: certificate.serial },
    ...(draft.reason === undefined ? {} : { reason: draft.reason }),
    ...(draft.invalidityDate === undefined ? {} : { invalidityDate: draft.invalidityDate.toISOString() }),
  })
  const { id: requestId, revision, organizationId, authorityId } = request
  const opened = await openDecision(db, {
    kind: 'revoke',
    requestId,
    revision,
    organizationId,
    authorityId,
    requester,
    outcome,
    hash,
    at: now,
  })
  if (opened.outcome !== 'waiting') return request
  await withTables<CoreTables>(db)
    .updateTable('revoke_requests')
    .set({
      expires_at: opened.expiresAt?.getTime() ?? null,
      findings: JSON.stringify([...request.findings, ...opened.findings]),
    })
    .where('id', '=', request.id)
    .execute()
  return readRevokeRequest(db, request.id)
}

/**
 * Carries out a revocation that was approved and stands in `revoking`: at once where the authority is ours. Where it
 * signs elsewhere it waits; calling again without `approved` says that it was done there, a lifted hold too.
 */
export async function carryOut(
  db: Database,
  request: RevokeRequest,
  { approved, actor, at }: { approved: boolean; actor: Requester; at: Date },
): Promise<void> {
  const authority = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .select('kind')
    .where('id', '=', request.authorityId)
    .executeTakeFirstOrThrow()
  if (authority.kind !== 'local' && approved) return
  await moveRevokeRequest(db, { id: request.id, from: 'revoking', to: 'revoked', actor, at })
  const certificate = await findCertificate(db, { id: request.certificateId })
  if (!certificate) throw new Failure('notFound', 'the certificate is gone')
  if (request.code === lifting) {
    await release(db, { certificate, requester: actor, now: at })
    return
  }
  const { invalidityDate } = request
  await withdraw(
    db,
    { certificate, requester: actor, now: at, ...(invalidityDate ? { invalidityDate } : {}) },
    request.code,
  )
  if (request.code === 'keyCompromise') await blockCompromisedKey(db, certificate.spkiHash, at)
  if (request.destroyKey) await destroyWithRevocation(db, { certificate, request: request.id, actor, at })
}
