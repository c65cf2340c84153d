import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'

/**
 * Lets somebody end a request only where no process is at the upstream CA with it, and, unless `kept` says that its order stays for a
 * next try, where that was not asked to issue yet: what it issues then would be nobody's. In the transaction that holds the
 * request's row. Throws Failure('conflict').
 */
export async function requireWithdrawable(
  db: Database,
  { kind, request: { id, status } }: { kind: 'sign' | 'revoke'; request: { id: number; status: string } },
  { at, kept }: { at: Date; kept: boolean },
): Promise<void> {
  if (status !== 'signing' && status !== 'revoking') return
  const work = await withTables<CoreTables>(db)
    .selectFrom('upstream_work')
    .select(['finalized', 'lease_until'])
    .where(kind === 'sign' ? 'sign_request_id' : 'revoke_request_id', '=', id)
    .executeTakeFirst()
  if (!work) return
  if (work.lease_until !== null && work.lease_until > at.getTime()) {
    const retryAfter = Math.max(1, Math.ceil((work.lease_until - at.getTime()) / 1000))
    throw new Failure('conflict', 'the upstream CA is being asked at this moment; look again soon', { retryAfter })
  }
  if (work.finalized === 1 && !kept)
    throw new Failure(
      'conflict',
      'the upstream CA has been asked to issue this certificate: wait for it and revoke it, or mark the request failed',
    )
}
