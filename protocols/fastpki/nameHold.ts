import { randomUUID } from 'node:crypto'
import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import type { FastpkiTables } from './tables.ts'

/** Milliseconds. Longer than an authority takes to be made; a server that ended meanwhile holds it no longer. */
const HOLDING = 600_000

/**
 * Runs it while nobody else of the organization makes an authority of that name: of two who do so at once the second gets
 * Failure('conflict').
 */
export async function holdingName<T>(
  { db, clock }: Pick<Host, 'db' | 'clock'>,
  { organization, name }: { organization: string; name: string },
  make: () => Promise<T>,
): Promise<T> {
  const ref = `ca ${JSON.stringify([organization, name])}`
  const now = clock().getTime()
  const row = { said: randomUUID(), created_at: now }
  const held = await transaction(db, (db) =>
    withTables<FastpkiTables>(db)
      .insertInto('fastpki_order_keys')
      .values({ ref, ...row })
      .onConflict((conflict) =>
        conflict
          .column('ref')
          .doUpdateSet(row)
          .where('fastpki_order_keys.created_at', '<=', now - HOLDING),
      )
      .returning('ref')
      .executeTakeFirst(),
  )
  if (!held) throw new Failure('conflict', `A CA of the name ${name} is being made at this moment`)
  try {
    return await make()
  } finally {
    await transaction(db, (db) =>
      withTables<FastpkiTables>(db)
        .deleteFrom('fastpki_order_keys')
        .where('ref', '=', ref)
        .where('said', '=', row.said)
        .execute(),
    )
  }
}
