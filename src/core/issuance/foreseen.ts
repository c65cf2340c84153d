import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Verdict } from '../approval/approval.ts'
import { withdrawWaiting } from '../approval/withdrawWaiting.ts'
import { audit } from '../audit/audit.ts'
import type { Claim } from '../core.ts'
import type { Installation } from '../installation.ts'
import { readSignRequest } from '../request/records.ts'
import type { SignRequest } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { askedOf, keepAsked } from './asked.ts'
import { type Attempt, refuseBlockedKey, storeAttempt } from './attempt.ts'
import { stillCovers } from './foresee.ts'
import { type Order, Raced } from './newRequest.ts'
import { auditSubmitted } from './submitted.ts'

interface Foreseen {
  request: SignRequest
  verdict: Verdict
  claim: Claim | undefined
}

interface Taken {
  request: SignRequest
  repeat: boolean
  attempt?: Attempt
}

/**
 * An order whose record was made before its CSR (foresee.ts): the CSR joins the record, which waits on, or, approved
 * meanwhile, begins its first attempt. A record that was denied or ran out answers the order so. Where the order asks
 * for more than people saw, the record is withdrawn and undefined says: decide anew.
 */
export async function takeForeseen(
  db: Database,
  it: Installation,
  order: Order,
  foreseen: Foreseen,
): Promise<Taken | undefined> {
  const { request, claim } = foreseen
  if (request.endedAt) {
    await claim?.(db)
    return { request, repeat: false }
  }
  if (!(await agrees(db, order, foreseen))) {
    await withdraw(db, order, request)
    return undefined
  }
  await claim?.(db)
  await refuseBlockedKey(db, order.csr.publicKey.spkiHash)
  return join(db, it, order, request)
}

async function agrees(db: Database, { admission, now }: Order, { request, verdict }: Foreseen): Promise<boolean> {
  if (verdict.outcome.kind !== 'require') return false
  const findings = [...admission.findings, ...verdict.findings]
  return stillCovers(db, request, { wanted: admission.wanted, findings, version: verdict.outcome.version, at: now })
}

async function withdraw(db: Database, { requester, now }: Order, request: SignRequest): Promise<void> {
  if (request.status !== 'requested' && request.status !== 'signing') return
  const reason = 'the order asks for something else than was shown: it is decided anew'
  await withdrawWaiting(db, request, { actor: requester, at: now, reason })
}

async function join(db: Database, it: Installation, order: Order, request: SignRequest): Promise<Taken> {
  const { csr, admission, authority, requester, now } = order
  const { spkiHash } = csr.publicKey
  const { issuer } = authority
  const number = request.status === 'signing' && issuer && authority.signs.sign ? 1 : 0
  const joinedRow = await withTables<CoreTables>(db)
    .updateTable('sign_requests')
    .set({
      csr: csr.der,
      spki_hash: spkiHash,
      wanted: JSON.stringify(admission.wanted),
      attempt: number,
      updated_at: now.getTime(),
    })
    .where('id', '=', request.id)
    .where('status', '=', request.status)
    .where('csr', 'is', null)
    .returning('id')
    .executeTakeFirst()
  if (!joinedRow) throw new Raced()
  if (request.status === 'requested') await keepAsked(db, request.id, askedOf(order.draft))
  await audit(db, requester, now, {
    action: 'sign_request.csr',
    organizationId: request.organizationId,
    subject: { kind: 'sign_request', id: request.id },
    details: { spkiHash },
  })
  await auditSubmitted(db, order, request)
  const joined = await readSignRequest(db, request.id)
  if (number === 0 || !issuer) return { request: joined, repeat: false }
  const attempt = await storeAttempt(
    db,
    it,
    { id: joined.id, revision: joined.revision, number, spkiHash },
    { id: issuer.id, shards: authority.settings.crlShards, crlIssuer: authority.settings.crlIssuer },
  )
  return { request: joined, repeat: false, attempt }
}
