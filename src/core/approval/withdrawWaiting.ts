import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import type { Certificate } from '../certificate.ts'
import { openSign } from '../request/openRequests.ts'
import { toSignRequest } from '../request/records.ts'
import type { SignRequest } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { findDecision, settleDecision } from './decision.ts'

interface Withdrawal {
  actor: Requester
  at: Date
  /** The client reads it. */
  reason: string
}

/**
 * Ends a request that waits for people or, approved, for its CSR, and the decision with it, in the caller's transaction.
 * Throws Failure('conflict') when it has gone on meanwhile.
 */
export async function withdrawWaiting(
  db: Database,
  request: SignRequest,
  { actor, at, reason }: Withdrawal,
): Promise<void> {
  const { id, status: from, revision } = request
  const decision = await findDecision(db, 'sign', request)
  if (decision) await settleDecision(db, decision.id, { outcome: 'canceled', at })
  await moveSignRequest(db, { id, from, to: 'canceled', actor, at, set: { reason }, where: { revision } })
}

/**
 * Withdraws what those who enrolled with a credential wait for; what people have approved and is being signed goes on.
 * Answers how many.
 */
export async function withdrawEnrolled(
  db: Database,
  { id, profileId }: { id: number; profileId: number },
  withdrawal: Withdrawal,
): Promise<number> {
  const rows = await forUpdate(
    db,
    withTables<CoreTables>(db)
      .selectFrom('sign_requests')
      .selectAll()
      .where(openSign)
      .where('profile_id', '=', profileId)
      .where(({ or, and, eb }) =>
        or([eb('status', '=', 'requested'), and([eb('status', '=', 'signing'), eb('csr', 'is', null)])]),
      )
      .where('requester', 'like', '%"credential"%'),
  ).execute()
  const asked = rows.map(toSignRequest).filter(({ requester }) => requester.credential === id)
  for (const request of asked) await withdrawWaiting(db, request, withdrawal)
  return asked.length
}

/** As withdrawEnrolled, for what was asked with a challenge (challengeAsk.ts says how its requesters are told). */
export async function withdrawChallenged(
  db: Database,
  { uuid, profile_id: profileId }: { uuid: string; profile_id: number },
  withdrawal: Withdrawal,
): Promise<number> {
  const rows = await forUpdate(
    db,
    waiting(db).where('profile_id', '=', profileId).where('requester_key', 'like', `challenge:${uuid}/%`),
  ).execute()
  for (const request of rows.map(toSignRequest)) await withdrawWaiting(db, request, withdrawal)
  return rows.length
}

/** As withdrawEnrolled, for what was asked by the key of a certificate of ours, in whatever profile. */
export async function withdrawCertified(
  db: Database,
  { fingerprint: ref }: Certificate,
  withdrawal: Withdrawal,
): Promise<void> {
  const asker = requesterKey({ kind: 'client-certificate', ref })
  const rows = await forUpdate(db, waiting(db).where('requester_key', '=', asker)).execute()
  for (const request of rows.map(toSignRequest)) await withdrawWaiting(db, request, withdrawal)
}

const waiting = (db: Database) =>
  withTables<CoreTables>(db).selectFrom('sign_requests').selectAll().where(openSign).where('status', '=', 'requested')
