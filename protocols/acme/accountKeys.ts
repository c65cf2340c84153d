import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import type { AcmeTables } from './tables.ts'

/** Keeps the thumbprint of a key that the account gives up, in the transaction that does it (draft-ietf-acme-dns-persist-02 section 4.2). */
export async function retireKey(
  db: Database,
  { accountId, thumbprint, at }: { accountId: number; thumbprint: string; at: Date },
): Promise<void> {
  await withTables<AcmeTables>(db)
    .insertInto('acme_account_keys')
    .values({ account_id: accountId, thumbprint, retired_at: at.getTime() })
    // A key that comes back and goes again.
    .onConflict((conflict) => conflict.columns(['account_id', 'thumbprint']).doUpdateSet({ retired_at: at.getTime() }))
    .execute()
}

/** An account can change its key without end, and each counts twice for each name above. */
const MOST = 100

/** Thumbprints of the keys that an account had before, the latest first, a hundred at most. */
export async function retiredKeys(db: Database, accountId: number): Promise<string[]> {
  const rows = await withTables<AcmeTables>(db)
    .selectFrom('acme_account_keys')
    .select('thumbprint')
    .where('account_id', '=', accountId)
    .orderBy('retired_at', 'desc')
    .limit(MOST)
    .execute()
  return rows.map(({ thumbprint }) => thumbprint)
}
