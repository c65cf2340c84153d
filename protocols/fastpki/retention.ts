import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Chore, Host } from '../../src/protocol.ts'
import { forgetHeld } from './email.ts'
import { forgetOrderKeys } from './orderSaid.ts'
import type { FastpkiTables } from './tables.ts'

/** Removes the tokens that have ended, and what was counted and has come back. */
export function retention({ db, clock }: Host): Chore[] {
  return [
    {
      name: 'fastpki tokens',
      every: 3_600_000,
      run: () =>
        transaction(db, async (db) => {
          const tables = withTables<FastpkiTables>(db)
          const now = clock().getTime()
          const over = tables.selectFrom('fastpki_token_families').select('id').where('ends_at', '<=', now)
          await tables.deleteFrom('fastpki_refresh_tokens').where('family_id', 'in', over).execute()
          await tables.deleteFrom('fastpki_token_families').where('ends_at', '<=', now).execute()
          await tables.deleteFrom('fastpki_sign_ins').where('free_at', '<=', now).execute()
          await forgetHeld(db, now)
          await forgetOrderKeys(db, now)
        }),
    },
  ]
}
