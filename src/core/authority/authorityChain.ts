import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { type CaChain, type Issuer, loadAuthority, loadIssuer } from './authority.ts'
import { nextIssuer } from './rollover.ts'

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

/** Those under which it signs or signed: CRLs of an earlier key go on, and those of the next one begin before it takes over. */
export async function issuersOf(it: Installation, authorityId: number, active: Issuer): Promise<[Issuer, ...Issuer[]]> {
  const { next, earlier } = await readChain(it, authorityId)
  return [active, ...(next ? [next] : []), ...earlier]
}

/** What was uploaded, as the first of several certificates of the authority takes it. Throws what the first of all throws. */
export function readBySome<T>(
  issuers: readonly [Issuer, ...Issuer[]],
  read: (issuer: Issuer) => T,
): { issuer: Issuer; read: T } {
  let first: unknown
  for (const issuer of issuers) {
    try {
      return { issuer, read: read(issuer) }
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      first ??= error
    }
  }
  throw first
}
