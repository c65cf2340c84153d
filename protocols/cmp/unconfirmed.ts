import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import { CmpRefusal } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { optionsOf } from './options.ts'
import { findTransaction, originOf, storeEnd, type Transaction } from './transaction.ts'

/** The job that looks at a certificate once the time for its confirmation is over. */
export const UNCONFIRMED = 'cmp.unconfirmed'

interface Awaited {
  /** Of the transaction. */
  ref: string
  /** Name of the profile. */
  profile: string
}

/** In the caller's transaction of the database. */
export const enqueueUnconfirmed = (host: Host, db: Database, awaited: Awaited, until: Date): Promise<void> =>
  host.enqueue(db, UNCONFIRMED, JSON.stringify(awaited), { runAt: until })

/** RFC 9483 section 4.1.1: what is not confirmed in time is as if it was rejected. */
export async function unconfirmed(host: Host, job: string): Promise<void> {
  const { ref, profile } = JSON.parse(job) as Awaited
  const begun = await findTransaction(host.db, ref)
  if (!begun || begun.confirmed) return
  const door = host.core.as(nobody)
  const request = await door.findSignRequest(originOf(begun.origin))
  const certificate = request && (await door.findCertificate({ id: request.id }))
  if (!request || !certificate || certificate.status === 'revoked') return
  if (await keepsUnconfirmed(host, profile)) return
  const comment = 'its receipt was not confirmed in time'
  // Before the revocation, which may wait for people: what comes meanwhile confirms nothing.
  const ended = await transaction(host.db, (db) => storeEnd(db, begun, host.clock()))
  if (ended) await revokeRejected(host, { request, certificate, comment })
}

export const over = () =>
  new CmpRefusal('badRequest', 'the certificate was rejected, or not confirmed in time: begin another transaction')

/** RFC 9810 section 5.1.1.2: after confirmWaitTime the transaction is gone, in whatever state the revocation is. */
export function refuseOver({ options, now }: Exchange, { rejected, confirmed, confirmUntil }: Transaction): void {
  const late = !confirmed && confirmUntil !== undefined && confirmUntil < now && options.unconfirmed === 'revoke'
  if (rejected || late) throw over()
}

const nobody: Requester = { kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [] }

/** By the profile as it is now; where it serves CMP no more, nobody could have confirmed. */
async function keepsUnconfirmed({ core, log }: Host, name: string): Promise<boolean> {
  try {
    return optionsOf(await core.as(nobody).profile(name, 'cmp')).unconfirmed === 'keep'
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'notFound')) throw error
    log.warn({ profile: name }, 'a certificate stays unconfirmed: its profile serves CMP no more')
    return true
  }
}

interface Rejected {
  request: SignRequest
  certificate: Certificate
  comment: string
}

/** Revokes a certificate for whoever ordered it; the rules for revocations decide. */
export async function revokeRejected(
  { core, log }: Host,
  { request: { requester, uuid }, certificate: { id }, comment }: Rejected,
): Promise<void> {
  try {
    const draft = { protocol: 'cmp', certificate: id, reason: 'cessationOfOperation', grounds: 'account' } as const
    const { status, reason } = await core.as(requester).revoke({ ...draft, comment })
    if (status === 'denied') log.warn({ request: uuid, reason }, 'a certificate that its client rejects stays valid')
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'alreadyRevoked')) throw error
  }
}
