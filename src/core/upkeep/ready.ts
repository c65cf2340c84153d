import { withTables } from '../../db/tables.ts'
import { loadAuthority } from '../authority/authority.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

/** Whether a certificate could be issued now: the database answers, and an enabled authority has a key that can be read and is not past its end. */
export async function canIssue(it: Installation): Promise<boolean> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authorities')
    .select('id')
    .where('enabled', '=', 1)
    .execute()
  for (const { id } of rows) {
    const authority = await loadAuthority(it, id).catch((error: unknown) => {
      // One whose key cannot be opened says nothing of the others.
      if (error instanceof Failure) return undefined
      throw error
    })
    if (!authority) continue
    const { issuer, signs, withdrawn } = authority
    if (issuer && signs.sign && !withdrawn && issuer.certificate.notAfter > it.clock()) return true
  }
  return false
}
