import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { findDecision, settleDecision } from '../approval/decision.ts'
import { findCertificate } from '../certificate.ts'
import { destroyWithRevocation } from '../key/keyPairDestroy.ts'
import { toRevokeRequest } from '../request/records.ts'
import type { RevokeRequest } from '../request/request.ts'
import { moveRevokeRequest } from '../request/transition.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { lifting } from './hold.ts'
import { type ListedCertificate, reasonOf } from './revokedElsewhere.ts'
import { blockCompromisedKey, withdraw } from './withdraw.ts'

/** A certificate that the CRL made revoked here; `request`: the id of the RevokeRequest that is done by it. */
export interface Confirmed {
  serial: string
  request?: number
}

interface Listing {
  listed: readonly ListedCertificate[]
  number: bigint
  actor: Requester
  at: Date
}

/** Certificates of ours that a CRL from elsewhere lists: the truth of that CRL becomes ours, in the caller's transaction. */
export async function confirmListed(db: Database, { listed, number, actor, at }: Listing): Promise<Confirmed[]> {
  const confirmed: Confirmed[] = []
  for (const one of listed) {
    const withdrawn = await withdrawListed(db, one, { actor, at })
    const request = await endRequest(db, one, { number, actor, at })
    if (withdrawn || request !== undefined)
      confirmed.push({ serial: one.entry.serial, ...(request === undefined ? {} : { request }) })
  }
  return confirmed
}

/** Revoked or on hold, since when and why the CRL says. False where that was known. */
async function withdrawListed(
  db: Database,
  { id, status, entry }: ListedCertificate,
  { actor, at }: Pick<Listing, 'actor' | 'at'>,
): Promise<boolean> {
  const reason = reasonOf(entry)
  if (status === 'revoked' || (status === 'hold' && reason === 'certificateHold')) {
    // Whatever the reason was here: the key is known by others.
    if (reason === 'keyCompromise') await blockKeyOf(db, id, at)
    return false
  }
  const certificate = await findCertificate(db, { id })
  if (!certificate) return false
  const { revokedAt, invalidityDate } = entry
  const dates = { revokedAt, ...(invalidityDate ? { invalidityDate } : {}) }
  await withdraw(db, { certificate, requester: actor, now: at, ...dates }, reason)
  if (reason === 'keyCompromise') await blockCompromisedKey(db, certificate.spkiHash, at)
  return true
}

/** What waited for the authority is done; what still waited for people has nothing left to decide. */
async function endRequest(
  db: Database,
  { id, entry }: ListedCertificate,
  { number, actor, at }: Pick<Listing, 'number' | 'actor' | 'at'>,
): Promise<number | undefined> {
  const request = await openRequest(db, id)
  // On hold is less than what was asked for.
  if (!request || (reasonOf(entry) === 'certificateHold' && request.code !== 'certificateHold')) return undefined
  const details = { crl: String(number) }
  if (request.code === lifting) {
    const set = { reason: `the authority has revoked it instead, by its CRL ${number}` }
    await moveRevokeRequest(db, { id: request.id, from: 'revoking', to: 'canceled', actor, at, set, details })
    return undefined
  }
  if (request.status === 'revoking') {
    await moveRevokeRequest(db, { id: request.id, from: 'revoking', to: 'revoked', actor, at, details })
    if (request.code === 'keyCompromise') await blockKeyOf(db, id, at)
    if (request.destroyKey) await destroyKeyOf(db, id, { request: request.id, actor, at })
    return request.id
  }
  const decision = await findDecision(db, 'revoke', request)
  if (decision) await settleDecision(db, decision.id, { outcome: 'canceled', at })
  const set = { reason: `the authority has revoked it already, by its CRL ${number}` }
  await moveRevokeRequest(db, { id: request.id, from: 'requested', to: 'canceled', actor, at, set, details })
  return undefined
}

async function openRequest(db: Database, certificateId: number): Promise<RevokeRequest | undefined> {
  const row = await forUpdate(
    db,
    withTables<CoreTables>(db)
      .selectFrom('revoke_requests')
      .selectAll()
      .where('certificate_id', '=', certificateId)
      .where('status', 'in', ['requested', 'revoking']),
  ).executeTakeFirst()
  return row && toRevokeRequest(row)
}

async function destroyKeyOf(db: Database, certificateId: number, by: { request: number; actor: Requester; at: Date }) {
  const certificate = await findCertificate(db, { id: certificateId })
  if (certificate) await destroyWithRevocation(db, { certificate, ...by })
}

async function blockKeyOf(db: Database, certificateId: number, at: Date): Promise<void> {
  const certificate = await findCertificate(db, { id: certificateId })
  if (certificate) await blockCompromisedKey(db, certificate.spkiHash, at)
}
