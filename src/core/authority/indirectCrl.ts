import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'

// An indirect CRL (RFC 5280 section 5.2.5) is one more shard of the authority certificate whose key signs it. It lists
// certificates of other authorities, which have this number as theirs.

/** The shard of the indirect CRL under an authority's certificate, and of the certificates that stand in it: below 0. */
export const indirectShard = (issuerId: number): number => -issuerId

export const isIndirect = (shard: number): boolean => shard < 0

/** The id of the authority's certificate under which that indirect CRL is signed. */
export const crlIssuerOf = (shard: number): number => -shard

/** As it stands in URLs, file names and metrics. */
export const shardName = (shard: number): string => (isIndirect(shard) ? 'indirect' : String(shard))

/** Ids of the authority certificates that handed their new certificates over to this one's indirect CRL, the oldest first. */
export async function handedOverTo(db: Database, issuerId: number): Promise<number[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('crl_handovers')
    .select('authority_certificate_id as id')
    .where('crl_issuer_id', '=', issuerId)
    .orderBy('authority_certificate_id')
    .execute()
  return rows.map(({ id }) => id)
}

/**
 * The shard of a new certificate under an authority that hands over to the authority of that name: that of its indirect CRL. Undefined
 * as findCrlIssuer: then the authority's own CRLs have it. In the caller's transaction.
 */
export async function handedOver(
  db: Database,
  { issuerId, crlIssuer, now }: { issuerId: number; crlIssuer: string; now: Date },
): Promise<number | undefined> {
  const crlIssuerId = await findCrlIssuer(db, { issuerId, crlIssuer })
  if (crlIssuerId === undefined) return undefined
  await recordHandOver(db, { issuerId, crlIssuerId, now })
  return indirectShard(crlIssuerId)
}

/**
 * The certificate under which the authority of that name signs the list of another's certificate. Undefined where it was revoked, or
 * ends before that one: nobody could check what is issued now to its end.
 */
export async function findCrlIssuer(
  db: Database,
  { issuerId, crlIssuer }: { issuerId: number; crlIssuer: string },
): Promise<number | undefined> {
  const tables = withTables<CoreTables>(db)
  const other = await tables
    .selectFrom('authority_certificates as other')
    .innerJoin('authorities', 'authorities.id', 'other.authority_id')
    .select('other.id')
    .where('authorities.name', '=', crlIssuer)
    .where('other.active', '=', 1)
    .where('other.key_id', 'is not', null)
    .where('other.not_after', '>=', (eb) =>
      eb.selectFrom('authority_certificates as own').select('own.not_after').where('own.id', '=', issuerId),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('certificates')
            .select('certificates.id')
            .whereRef('certificates.spki_hash', '=', 'other.spki_hash')
            .whereRef('certificates.der', '=', 'other.certificate')
            .where('certificates.status', '<>', 'issued'),
        ),
      ),
    )
    .executeTakeFirst()
  return other?.id
}

/** From then on the indirect CRL is made, and the authority's own say by their URLs what they are about. */
async function recordHandOver(
  db: Database,
  { issuerId, crlIssuerId, now }: { issuerId: number; crlIssuerId: number; now: Date },
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const known = await tables
    .selectFrom('crl_handovers')
    .select('crl_issuer_id')
    .where('authority_certificate_id', '=', issuerId)
    .where('crl_issuer_id', '=', crlIssuerId)
    .executeTakeFirst()
  if (known) return
  await tables
    .insertInto('crl_handovers')
    .values({ authority_certificate_id: issuerId, crl_issuer_id: crlIssuerId, created_at: now.getTime() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
