import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { isUniqueViolation, transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import type { FastpkiTables } from './tables.ts'

export const email = z.email().max(254)

/** Keeps the address of a user. Throws Failure('malformed') where it is another's. */
export async function keepEmail({ db, clock }: Host, username: string, given: string): Promise<void> {
  const row = { email: given.toLowerCase(), updated_at: clock().getTime() }
  try {
    await transaction(db, (db) =>
      withTables<FastpkiTables>(db)
        .insertInto('fastpki_emails')
        .values({ username: username.toLowerCase(), ...row })
        .onConflict((conflict) => conflict.column('username').doUpdateSet(row))
        .execute(),
    )
  } catch (error) {
    if (isUniqueViolation(error)) throw new Failure('malformed', 'Email already registered', { cause: error })
    throw error
  }
}

/** Throws Failure('malformed') where an address is somebody's already. */
export async function requireFreeEmail({ db }: Host, given: string): Promise<void> {
  const row = await withTables<FastpkiTables>(db)
    .selectFrom('fastpki_emails')
    .select('username')
    .where('email', '=', given.toLowerCase())
    .executeTakeFirst()
  if (row) throw new Failure('malformed', 'Email already registered')
}
