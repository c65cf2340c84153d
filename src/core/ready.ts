import { withTables } from '../db/tables.ts'
import { loadAuthority } from './authority.ts'
import type { Installation } from './installation.ts'
import type { CoreTables } from './tables.ts'

/** Whether a certificate could be issued now: the database answers, and an enabled authority has a key and is not past its end. */
export async function canIssue(it: Installation): Promise<boolean> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authorities')
    .select('id')
    .where('enabled', '=', 1)
    .execute()
  for (const { id } of rows) {
    const { issuer, signs, withdrawn } = await loadAuthority(it, id)
    if (issuer && signs.sign && !withdrawn && issuer.certificate.notAfter > it.clock()) return true
  }
  return false
}
