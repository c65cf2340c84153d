import { createHash } from 'node:crypto'
import type { Claim } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import type { Call } from './operation.ts'
import type { FastpkiTables } from './tables.ts'

/** Milliseconds for which a key stands for its order: as long as a repeat counts with most profiles. */
const GOOD_FOR = 259_200_000

type Said = Pick<Call<string, unknown, unknown>, 'host' | 'incoming' | 'query' | 'body'>

/**
 * Binds an Idempotency-Key to what was ordered with it, of whatever CA: `claim` keeps a hash of that with the order, and `check` looks at a
 * repeat. Both throw Failure('conflict') for anything else. Without a key both do nothing. `ref`: of orderRef.
 */
export function orderSaid(
  { host, incoming, query, body }: Said,
  ref: string,
): { claim: Claim; check(answer: { repeat: boolean }): Promise<void> } {
  if (incoming.headers['idempotency-key'] === undefined) return { claim: async () => {}, check: async () => {} }
  const said = createHash('sha256')
    .update(JSON.stringify([query, body]))
    .digest('base64url')
  const now = host.clock().getTime()
  const refuseOther = async (db: Database) => {
    const kept = await withTables<FastpkiTables>(db)
      .selectFrom('fastpki_order_keys')
      .select('said')
      .where('ref', '=', ref)
      .where('created_at', '>', now - GOOD_FOR)
      .executeTakeFirst()
    if (kept && kept.said !== said)
      throw new Failure('conflict', 'This Idempotency-Key came with another order: send a new one with this')
  }
  return {
    async claim(db) {
      await refuseOther(db)
      const row = { said, created_at: now }
      await withTables<FastpkiTables>(db)
        .insertInto('fastpki_order_keys')
        .values({ ref, ...row })
        .onConflict((conflict) => conflict.column('ref').doUpdateSet(row))
        .execute()
    },
    check: async ({ repeat }) => (repeat ? refuseOther(host.db) : undefined),
  }
}

/** Those that stand for nothing any more. */
export async function forgetOrderKeys(db: Database, now: number): Promise<void> {
  await withTables<FastpkiTables>(db)
    .deleteFrom('fastpki_order_keys')
    .where('created_at', '<=', now - GOOD_FOR)
    .execute()
}
