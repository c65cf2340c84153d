import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { type LoadedAuthority, loadAuthority } from './authority.ts'
import type { Installation } from './installation.ts'
import { type Attempt, runAttempt, storeAttempt } from './issue.ts'
import { readSignRequest } from './records.ts'
import type { SignRequest } from './request.ts'
import type { CoreTables } from './tables.ts'

/** Runs the next attempt of a request that stands in `signing`, when the last one's lease is over or `now` is asked for. */
export async function resumeSigning(it: Installation, id: number, { force = false } = {}): Promise<SignRequest> {
  const request = await readSignRequest(it.db, id)
  const authority = await loadAuthority(it, request.authorityId)
  const { issuer } = authority
  if (request.status !== 'signing' || !issuer || !authority.signs.sign) return request
  const attempt = await transaction(it.db, (db) => nextAttempt(db, it, { request, issuer, force }))
  return attempt ? runAttempt(it, { ...request, attempt: attempt.number }, attempt) : readSignRequest(it.db, id)
}

type Resuming = { request: SignRequest; issuer: NonNullable<LoadedAuthority['issuer']>; force: boolean }

async function nextAttempt(db: Database, it: Installation, { request, issuer, force }: Resuming): Promise<Attempt | undefined> {
  const tables = withTables<CoreTables>(db)
  const last = await tables
    .selectFrom('sign_attempts')
    .select(['number', 'lease_until', 'lease_owner'])
    .where('sign_request_id', '=', request.id)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  const now = it.clock().getTime()
  if (last && !force && last.lease_until > now && !(db.dialect === 'sqlite' && last.lease_owner !== it.node)) return undefined
  const number = request.attempt + 1
  const moved = await tables
    .updateTable('sign_requests')
    .set({ attempt: number, updated_at: now })
    .where('id', '=', request.id)
    .where('status', '=', 'signing')
    .where('attempt', '=', request.attempt)
    .returning('spki_hash')
    .executeTakeFirst()
  if (!moved) return undefined
  return storeAttempt(db, it, { id: request.id, revision: request.revision, number, spkiHash: moved.spki_hash ?? '' }, issuer)
}
