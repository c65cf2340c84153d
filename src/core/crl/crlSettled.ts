import type { Database } from '../../db/open.ts'
import { type CrlHead, type CrlKey, tableOf } from './crlStore.ts'

/** Whether no earlier CRL was made in the second of its thisUpdate, or later by a clock that was ahead: else that time does not name it. */
export async function isSettled(
  db: Database,
  crl: CrlKey & Pick<CrlHead, 'sequence' | 'thisUpdate'>,
): Promise<boolean> {
  const row = await tableOf(db, crl)
    .select('number')
    .where('number', '<', crl.sequence)
    .where('this_update', '>=', Math.floor(crl.thisUpdate.getTime() / 1000) * 1000)
    .limit(1)
    .executeTakeFirst()
  return row === undefined
}
