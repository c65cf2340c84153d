import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CrlEntry } from '../../pki/crl.ts'
import { type RevocationReason, reasonCodes, reasonName } from '../../pki/crl.ts'
import type { CrlFields } from '../../pki/crlReader.ts'
import type { CoreTables } from '../tables.ts'
import { isPartial } from './foreignCrl.ts'

/** Rows or serials in one statement. */
const chunk = 500

/** A certificate of ours that a CRL from elsewhere names. */
export interface ListedCertificate {
  id: number
  status: string
  entry: CrlEntry
}

/** What a CRL from elsewhere says, parted into certificates that were issued here and others. */
export interface Listed {
  ours: ListedCertificate[]
  others: CrlEntry[]
}

/** Which entries mean certificates that are stored here, under these certificates of the authority: those with the key that signed the CRL. */
export async function partEntries(
  db: Database,
  issuerIds: readonly number[],
  entries: readonly CrlEntry[],
): Promise<Listed> {
  const bySerial = new Map(entries.map((entry) => [entry.serial, entry]))
  const serials = [...bySerial.keys()]
  const ours: ListedCertificate[] = []
  for (let at = 0; at < serials.length; at += chunk) {
    const rows = await withTables<CoreTables>(db)
      .selectFrom('certificates')
      .select(['id', 'serial', 'status'])
      .where('authority_certificate_id', 'in', issuerIds)
      .where('serial', 'in', serials.slice(at, at + chunk))
      .execute()
    for (const { id, serial, status } of rows) {
      const entry = bySerial.get(serial)
      if (entry) ours.push({ id, status, entry })
      bySerial.delete(serial)
    }
  }
  return { ours, others: [...bySerial.values()] }
}

/**
 * Keeps what a CRL says of certificates that are not stored here, in place of what an earlier one said; a CRL of some certificates only
 * takes nothing back. `issuerIds` as for partEntries, the one under which it is kept first.
 */
export async function keepOthers(
  db: Database,
  issuerIds: readonly [number, ...number[]],
  { crl, others }: { crl: CrlFields; others: readonly CrlEntry[] },
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const [issuerId] = issuerIds
  if (!isPartial(crl))
    await tables.deleteFrom('imported_revocations').where('authority_certificate_id', 'in', issuerIds).execute()
  for (let at = 0; at < others.length; at += chunk) {
    await tables
      .insertInto('imported_revocations')
      .values(
        others.slice(at, at + chunk).map((entry) => ({
          authority_certificate_id: issuerId,
          serial: entry.serial,
          shard: 0,
          revoked_at: entry.revokedAt.getTime(),
          reason: reasonOf(entry) ?? null,
          invalidity_at: entry.invalidityDate?.getTime() ?? null,
        })),
      )
      .onConflict((conflict) =>
        conflict.columns(['authority_certificate_id', 'serial']).doUpdateSet((eb) => ({
          revoked_at: eb.ref('excluded.revoked_at'),
          reason: eb.ref('excluded.reason'),
          invalidity_at: eb.ref('excluded.invalidity_at'),
        })),
      )
      .execute()
  }
}

/** The reason's name; absent where none is given, or unspecified, which says no more (RFC 5280 section 5.3.1). */
export function reasonOf({ reason = reasonCodes.unspecified }: CrlEntry): RevocationReason | undefined {
  return reason === reasonCodes.unspecified ? undefined : reasonName(reason)
}
