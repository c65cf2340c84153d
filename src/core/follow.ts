import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import type { Afterwards, Follow } from './approvalContext.ts'
import { authoritySettings } from './authority.ts'
import { Failure } from './failure.ts'
import type { Installation } from './installation.ts'
import { type Attempt, runAttempt, storeAttempt } from './issue.ts'
import { readRevokeRequest, readSignRequest } from './records.ts'
import type { Requester } from './requester.ts'
import { carryOut } from './revoke.ts'
import type { CoreTables } from './tables.ts'

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
      return nextAttempt(db, it, id)
    }
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
  const attempt = await storeNext(db, it, {
    id,
    attempt: request.attempt,
    revision: request.revision,
    authorityId: request.authorityId,
  })
  if (!attempt) return undefined
  return async () => {
    await runAttempt(it, { ...request, attempt: attempt.number }, attempt)
  }
}

/** Raises the attempt's number and stores it, in the caller's transaction. Throws Failure('conflict') when another took it. */
export async function storeNext(
  db: Database,
  it: Installation,
  request: { id: number; attempt: number; revision: number; authorityId: number },
): Promise<Attempt | undefined> {
  const tables = withTables<CoreTables>(db)
  const issuer = await tables
    .selectFrom('authority_certificates as own')
    .innerJoin('authorities', 'authorities.id', 'own.authority_id')
    .select(['own.id', 'own.shards', 'authorities.settings'])
    .where('own.authority_id', '=', request.authorityId)
    .where('own.active', '=', 1)
    .where('own.key_id', 'is not', null)
    .executeTakeFirst()
  if (!issuer) return undefined
  const number = request.attempt + 1
  const moved = await tables
    .updateTable('sign_requests')
    .set({ attempt: number, updated_at: it.clock().getTime() })
    .where('id', '=', request.id)
    .where('status', '=', 'signing')
    .where('attempt', '=', request.attempt)
    .returning('spki_hash')
    .executeTakeFirst()
  if (!moved) throw new Failure('conflict', 'another attempt has just begun')
  return storeAttempt(
    db,
    it,
    { id: request.id, revision: request.revision, number, spkiHash: moved.spki_hash ?? '' },
    { id: issuer.id, shards: Math.min(issuer.shards, shardsNow(issuer.settings)) },
  )
}

/** Among so many CRLs certificates are shared out now; the certificate's own mark is raised before they are (authority.ts). */
function shardsNow(settings: string): number {
  return authoritySettings.parse(JSON.parse(settings)).crlShards
}
