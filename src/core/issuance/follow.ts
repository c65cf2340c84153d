import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Afterwards, Follow } from '../approval/approvalContext.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { readRevokeRequest, readSignRequest } from '../request/records.ts'
import type { Requester } from '../requester.ts'
import { carryOut } from '../revocation/revoke.ts'
import type { CoreTables } from '../tables.ts'
import { hurryWork } from '../upstream/upstreamWork.ts'
import { storeNext } from './attempt.ts'
import { runAttempt } from './issue.ts'

/** What follows an approval: the first attempt, stored with the deciding vote, or the revocation itself. */
export function afterApproval(it: Installation, requester: Requester): Follow {
  return async (db, kind, id) => {
    if (kind === 'sign') return nextAttempt(db, it, id)
    const request = await readRevokeRequest(db, id)
    await carryOut(db, request, { approved: true, actor: requester, at: it.clock() })
    return undefined
  }
}

/** What follows when somebody wants the next attempt now. */
export function afterRetry(it: Installation, requester: Requester): Follow {
  return async (db, kind, id) => {
    if (kind === 'sign') {
      await refuseWhileRunning(db, id, it.clock())
      await hurryWork(db, kind, id, it.clock())
      return nextAttempt(db, it, id)
    }
    await hurryWork(db, kind, id, it.clock())
    const request = await readRevokeRequest(db, id)
    // Where the authority signs elsewhere, only confirmRevoked or its CRL says that it is done.
    await carryOut(db, request, { approved: true, actor: requester, at: it.clock() })
    return undefined
  }
}

/** A retry does not overtake an attempt that is under way: what that one signs would be lost. */
async function refuseWhileRunning(db: Database, id: number, now: Date): Promise<void> {
  const running = await withTables<CoreTables>(db)
    .selectFrom('sign_attempts')
    .select('lease_until')
    .where('sign_request_id', '=', id)
    .where('lease_owner', '<>', '')
    .where('lease_until', '>', now.getTime())
    .where('number', '=', (eb) =>
      eb
        .selectFrom('sign_requests')
        .select('attempt')
        .whereRef('sign_requests.id', '=', 'sign_attempts.sign_request_id'),
    )
    .executeTakeFirst()
  if (running) throw new Failure('conflict', 'an attempt is under way; ask again in a moment', { retryAfter: 5 })
}

/** Stores the next attempt of a request in `signing`; undefined where a person uploads the certificate. */
async function nextAttempt(db: Database, it: Installation, id: number): Promise<Afterwards | undefined> {
  const request = await readSignRequest(db, id)
  // Approved before its order was finalized: it waits for the CSR.
  if (!request.csr) return undefined
  const attempt = await storeNext(db, it, request)
  if (!attempt) return undefined
  return async () => {
    await runAttempt(it, { ...request, attempt: attempt.number }, attempt)
  }
}
