import { Failure } from '../../src/core/failure.ts'
import { forUpdate, withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { networkOf } from '../../src/pki/ip.ts'
import type { Host } from '../../src/protocol.ts'
import type { FastpkiTables } from './tables.ts'

const PERIOD = 60_000
const EACH = PERIOD / 5

/** Five a minute from one address: five at once, and as many again in that time. Throws Failure('rateLimited'). */
export async function admitSignIn({ db, clock }: Host, source: string | undefined): Promise<void> {
  const network = networkOf(source)
  const wait = await transaction(db, async (db) => {
    const now = clock().getTime()
    const tables = withTables<FastpkiTables>(db)
    await tables
      .insertInto('fastpki_sign_ins')
      .values({ network, free_at: now })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const query = tables.selectFrom('fastpki_sign_ins').select('free_at').where('network', '=', network)
    const { free_at } = await forUpdate(db, query).executeTakeFirstOrThrow()
    const next = Math.max(free_at, now) + EACH
    if (next - now > PERIOD) return next - now - PERIOD
    await tables.updateTable('fastpki_sign_ins').set({ free_at: next }).where('network', '=', network).execute()
    return 0
  })
  if (wait > 0)
    throw new Failure('rateLimited', 'Rate limit exceeded: 5 per 1 minute', { retryAfter: Math.ceil(wait / 1000) })
}
