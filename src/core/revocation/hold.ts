import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { openDecision } from '../approval/decision.ts'
import { audit } from '../audit/audit.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { hasCapability } from '../identity/capability.ts'
import type { Installation } from '../installation.ts'
import { ruleVersion } from '../profile/decide.ts'
import type { ApprovalRule } from '../profile/rule.ts'
import { actingUser } from '../request/held.ts'
import { readRevokeRequest } from '../request/records.ts'
import type { RevokeRequest } from '../request/request.ts'
import { moveRevokeRequest } from '../request/transition.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { release } from './withdraw.ts'

/** The reason of a request that asks to lift a hold (RFC 5280 section 5.3.1). */
export const lifting = 'removeFromCRL'

/** A certificate whose hold was lifted, or still stands until its authority elsewhere has lifted it: then `request` waits for that. */
export interface Unheld {
  certificate: Certificate
  request?: RevokeRequest
}

interface Unholding {
  requester: Requester
  certificate: Certificate
  protocol: string
  now: Date
}

/**
 * Lifts the hold of a certificate: it is valid again, and delta CRLs say removeFromCRL. Needs a person with revoke_cert;
 * nobody is asked to approve, since to hold it needed no more than to ask. Under an authority that signs elsewhere it is
 * a request that stands in `revoking` until that authority has lifted it (confirmLifted, confirmRevoked), and the
 * certificate is on hold until then. Throws Failure: notFound; forbidden; conflict where it is not on hold, or where somebody
 * asked to revoke it and that is still open.
 */
export async function unhold(
  it: Installation,
  requester: Requester,
  { certificate: id, protocol }: { certificate: number; protocol: string },
): Promise<Unheld> {
  return transaction(it.db, async (db) => {
    const certificate = await heldCertificate(db, requester, id)
    const unholding = { requester, certificate, protocol, now: it.clock() }
    const open = await openRequest(db, certificate)
    if (open?.code === lifting) return { certificate, request: open }
    if (open)
      throw new Failure('conflict', `its revocation is asked for (r${open.id}): that must be decided or canceled first`)
    const authority = await withTables<CoreTables>(db)
      .selectFrom('authorities')
      .select('kind')
      .where('id', '=', certificate.authorityId)
      .executeTakeFirstOrThrow()
    if (authority.kind !== 'local') return { certificate, request: await askToLift(db, unholding) }
    await release(db, unholding)
    const released = await findCertificate(db, { id })
    if (!released) throw notFound()
    return { certificate: released }
  })
}

function notFound(): Failure {
  return new Failure('notFound', 'there is no such certificate')
}

async function heldCertificate(db: Database, requester: Requester, id: number): Promise<Certificate> {
  const user = await actingUser(db, requester)
  if (!user) throw new Failure('forbidden', 'a hold is lifted by a person, with a token or password of his own')
  const certificate = await findCertificate(db, { id })
  if (!certificate || (!user.superuser && user.organizationId !== certificate.organizationId)) throw notFound()
  const { organizationId, authorityId, profileId } = certificate
  const scope = { organizationId, authorityId, ...(profileId === undefined ? {} : { profileId }) }
  if (!(await hasCapability(db, user, 'revoke_cert', scope)))
    throw new Failure('forbidden', 'lifting a hold needs the capability revoke_cert')
  return certificate
}

async function openRequest(db: Database, { id }: Certificate): Promise<RevokeRequest | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('revoke_requests')
    .select('id')
    .where('certificate_id', '=', id)
    .where('status', 'in', ['requested', 'revoking'])
    .executeTakeFirst()
  return row && readRevokeRequest(db, row.id)
}

const rule: ApprovalRule = { name: 'lifting a hold', when: 'true', auto: true }

/** The request that waits for the authority elsewhere. Throws Failure('conflict') for a certificate that is not on hold. */
async function askToLift(db: Database, { requester, certificate, protocol, now }: Unholding): Promise<RevokeRequest> {
  if (certificate.status !== 'hold') throw new Failure('conflict', 'this certificate is not on hold')
  const { organizationId, authorityId, profileId } = certificate
  const row = await withTables<CoreTables>(db)
    .insertInto('revoke_requests')
    .values({
      uuid: uuidv7(now),
      organization_id: organizationId,
      profile_id: profileId ?? null,
      authority_id: authorityId,
      certificate_id: certificate.id,
      status: 'revoking',
      revision: 1,
      protocol,
      requester: JSON.stringify(requester),
      requester_key: requesterKey(requester),
      source_address: requester.source ?? null,
      code: lifting,
      invalidity_at: null,
      facts: '{}',
      findings: '[]',
      last_error: null,
      reason: null,
      created_at: now.getTime(),
      updated_at: now.getTime(),
      expires_at: null,
      ended_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!row) throw new Failure('conflict', 'something else is asked for this certificate at this moment; look again')
  const outcome = { kind: 'auto', rule: rule.name, version: ruleVersion(rule) } as const
  const { id: requestId } = row
  await openDecision(db, {
    kind: 'revoke',
    requestId,
    revision: 1,
    organizationId,
    authorityId,
    requester,
    outcome,
    hash: '',
    at: now,
  })
  await audit(db, requester, now, {
    action: 'revoke_request.revoking',
    organizationId,
    subject: { kind: 'revoke_request', id: requestId },
    status: 'revoking',
    details: { certificate: certificate.serial, reason: lifting, rule: rule.name, outcome: 'auto', grounds: 'user' },
  })
  return readRevokeRequest(db, requestId)
}

/** Who wants it revoked does not want its hold lifted: a request for that ends. Another is left as it is. */
export async function cancelLifting(
  db: Database,
  id: number,
  { requester: actor, now: at }: { requester: Requester; now: Date },
): Promise<void> {
  const { code, status } = await readRevokeRequest(db, id)
  if (code !== lifting || status !== 'revoking') return
  const set = { reason: 'overtaken by a request to revoke the certificate' }
  await moveRevokeRequest(db, { id, from: 'revoking', to: 'canceled', actor, at, set })
}
