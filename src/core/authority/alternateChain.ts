import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { pemDecode } from '../../pki/pem.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { authorityVersion } from './authority.ts'

/** Another way up from the same key: cross-signed certificates. */
export interface AlternateChain {
  id: number
  /** DER, the one that stands for the issuer first, its issuers above it, nearest first. */
  chain: Buffer[]
}

/** How long a node may not know of a chain that another one of an earlier version, which raises no version, added or removed. */
const keepMilliseconds = 60_000

interface Kept {
  /** Of the authority. */
  version: number | undefined
  until: number
  chains: (AlternateChain & { notAfter: number })[]
}

const kept = new WeakMap<Database, Map<number, Kept>>()

/** The chains beside its own that a certificate of an authority has, oldest first, without those that have ended. */
export async function alternateChains(
  it: Installation,
  { authorityId, authorityCertificateId }: { authorityId: number; authorityCertificateId: number },
): Promise<AlternateChain[]> {
  const version = await authorityVersion(it.db, authorityId)
  const now = it.clock().getTime()
  const all = kept.get(it.db) ?? new Map<number, Kept>()
  kept.set(it.db, all)
  let known = all.get(authorityCertificateId)
  if (!known || known.version !== version || known.until <= now) {
    known = { version, until: now + keepMilliseconds, chains: await readChains(it.db, authorityCertificateId) }
    all.set(authorityCertificateId, known)
  }
  return known.chains.filter(({ notAfter }) => notAfter > now)
}

async function readChains(db: Database, authorityCertificateId: number): Promise<Kept['chains']> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('authority_chains')
    .selectAll()
    .where('authority_certificate_id', '=', authorityCertificateId)
    .orderBy('id')
    .execute()
  return rows.map(({ id, chain, not_after }) => ({
    id,
    chain: pemDecode(chain).map(({ der }) => der),
    notAfter: not_after,
  }))
}
