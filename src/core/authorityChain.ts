import { withTables } from '../db/tables.ts'
import { type CaChain, loadAuthority, loadIssuer } from './authority.ts'
import type { Installation } from './installation.ts'
import { nextIssuer } from './rollover.ts'
import type { CoreTables } from './tables.ts'

/** All certificates of an authority, the earlier ones with the newest first. */
export async function readChain(it: Installation, ref: string | number): Promise<CaChain> {
  const { id: authorityId, issuer: active } = await loadAuthority(it, ref)
  const next = await nextIssuer(it, authorityId)
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .select('id')
    .where('authority_id', '=', authorityId)
    .orderBy('id', 'desc')
    .execute()
  // The active one as it was read first: one that takes over meanwhile is among the others.
  const earlier = rows.filter(({ id }) => id !== next?.id && id !== active?.id)
  return {
    active,
    earlier: await Promise.all(earlier.map(({ id }) => loadIssuer(it, id))),
    ...(next ? { next } : {}),
  }
}
