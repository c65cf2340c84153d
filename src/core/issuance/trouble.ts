import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { DatabaseUnavailable, transaction } from '../../db/transaction.ts'
import { raiseAlert } from '../audit/alert.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { readSignRequest } from '../request/records.ts'
import type { SignRequest } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { storable } from '../text.ts'
import type { Attempt } from './attempt.ts'

const unforeseenAttempts = 8

/** Trouble that may pass is noted and the lease given back; trouble that cannot ends the request. */
export async function settleTrouble(
  it: Installation,
  request: SignRequest,
  attempt: Attempt,
  error: unknown,
): Promise<SignRequest> {
  const now = it.clock()
  const passing = mayPass(error, attempt)
  const detail = error instanceof Failure ? storable(error.detail) : 'signing failed; the log has the details'
  it.log.error({ err: error, request: request.uuid, attempt: attempt.number }, 'an attempt at signing failed')
  await transaction(it.db, async (db) => {
    if (passing) return noteTrouble(db, request.id, attempt, { detail, at: now })
    const lost = await withTables<CoreTables>(db)
      .selectFrom('sign_requests')
      .select('id')
      .where('id', '=', request.id)
      .where('status', '=', 'signing')
      .where('attempt', '=', attempt.number)
      .executeTakeFirst()
    if (!lost) return
    await moveSignRequest(db, {
      id: request.id,
      from: 'signing',
      to: 'failed',
      actor: system('issue'),
      at: now,
      where: { attempt: attempt.number },
      set: { reason: detail, last_error: detail },
    })
    await raiseAlert(db, now, {
      kind: 'order_failed',
      organizationId: request.organizationId,
      subject: { kind: 'sign_request', id: request.id },
      detail,
    })
  })
  return readSignRequest(it.db, request.id)
}

/** What nobody foresaw may be a fault of the data: it is not tried for ever. */
function mayPass(error: unknown, attempt: Attempt): boolean {
  if (error instanceof DatabaseUnavailable) return true
  if (error instanceof Failure) return error.code === 'unavailable' || error.code === 'internal'
  return attempt.number < unforeseenAttempts
}

async function noteTrouble(
  db: Database,
  id: number,
  attempt: Attempt,
  { detail, at }: { detail: string; at: Date },
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  await tables
    .updateTable('sign_requests')
    .set({ last_error: detail, updated_at: at.getTime() })
    .where('id', '=', id)
    .where('status', '=', 'signing')
    .where('attempt', '=', attempt.number)
    .execute()
  // A pause before the next attempt: it grows with their number, to ten minutes.
  await tables
    .updateTable('sign_attempts')
    .set({ lease_owner: '', lease_until: at.getTime() + Math.min(600_000, 2_000 * 2 ** Math.min(attempt.number, 9)) })
    .where('sign_request_id', '=', id)
    .where('number', '=', attempt.number)
    .execute()
}
