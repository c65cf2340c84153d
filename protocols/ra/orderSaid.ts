import { createHash } from 'node:crypto'
import type { Claim } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Origin } from '../../src/core/request/request.ts'
import { withTables } from '../../src/db/tables.ts'
import type { Call } from './operation.ts'
import type { RaTables } from './tables.ts'

/**
 * Binds an Idempotency-Key to what was ordered with it: `claim` keeps a hash of that with the order, `check` refuses a repeat that says
 * anything else. Without a key both do nothing.
 */
export function orderSaid(
  { host, incoming, params, body }: Pick<Call<string, unknown, unknown>, 'host' | 'incoming' | 'params' | 'body'>,
  { ref }: Origin,
): { claim: Claim; check(answer: { repeat: boolean }): Promise<void> } {
  if (incoming.headers['idempotency-key'] === undefined) return { claim: async () => {}, check: async () => {} }
  const hash = createHash('sha256')
    .update(JSON.stringify([params, body]))
    .digest('base64url')
  return {
    async claim(db) {
      const row = { attributes: JSON.stringify(hash) }
      await withTables<RaTables>(db)
        .insertInto('ra_attributes')
        .values({ kind: 'order', ref, ...row })
        .onConflict((conflict) => conflict.columns(['kind', 'ref']).doUpdateSet(row))
        .execute()
    },
    async check({ repeat }) {
      if (!repeat) return
      const kept = await withTables<RaTables>(host.db)
        .selectFrom('ra_attributes')
        .select('attributes')
        .where('kind', '=', 'order')
        .where('ref', '=', ref)
        .executeTakeFirst()
      if (kept && JSON.parse(kept.attributes) !== hash)
        throw new Failure('conflict', 'this Idempotency-Key came with another order: send a new one with this')
    },
  }
}
