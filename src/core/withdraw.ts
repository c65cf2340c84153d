import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { raiseAlert } from './alert.ts'
import { audit } from './audit.ts'
import type { Certificate } from './certificate.ts'
import { Failure } from './failure.ts'
import type { Requester } from './requester.ts'
import type { CoreTables } from './tables.ts'

/** Marks the certificate revoked: from this commit on OCSP and the next CRL say so. */
export async function withdraw(
  db: Database,
  { certificate, requester, now }: { certificate: Certificate; requester: Requester; now: Date },
  reason: string | undefined,
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const changed = await tables
    .updateTable('certificates')
    .set({
      status: reason === 'certificateHold' ? 'hold' : 'revoked',
      revoked_at: now.getTime(),
      revocation_reason: reason ?? null,
    })
    .where('id', '=', certificate.id)
    .where('status', '<>', 'revoked')
    .returning('id')
    .executeTakeFirst()
  if (!changed) throw new Failure('alreadyRevoked', 'this certificate is revoked already')
  await tables
    .updateTable('authorities')
    .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
    .where('id', '=', certificate.authorityId)
    .execute()
  await withdrawAuthority(db, certificate, now)
  await audit(db, requester, now, {
    action: 'certificate.revoked',
    organizationId: certificate.organizationId,
    subject: { kind: 'certificate', id: certificate.id },
    status: reason === 'certificateHold' ? 'hold' : 'revoked',
    details: { serial: certificate.serial, reason: reason ?? null },
  })
}

/** The certificate of an authority of ours: from the next look on nothing is issued under it (authority.ts, withdrawn). */
async function withdrawAuthority(db: Database, certificate: Certificate, now: Date): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const owners = await tables
    .selectFrom('authority_certificates')
    .select('authority_id')
    .where('spki_hash', '=', certificate.spkiHash)
    .where('active', '=', 1)
    .execute()
  for (const { authority_id: id } of owners) {
    await tables
      .updateTable('authorities')
      .set((eb) => ({ version: eb('version', '+', 1) }))
      .where('id', '=', id)
      .execute()
    const detail = `the certificate ${certificate.serial} of an authority was revoked: it issues nothing any more`
    const { organizationId } = certificate
    await raiseAlert(db, now, { kind: 'authority_revoked', organizationId, subject: { kind: 'authority', id }, detail })
  }
}

/** A key that is known by others is certified no more, for anybody. */
export async function blockCompromisedKey(db: Database, spkiHash: string, now: Date): Promise<void> {
  await withTables<CoreTables>(db)
    .insertInto('blocked_keys')
    .values({ spki_hash: spkiHash, reason: 'keyCompromise', created_at: now.getTime() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
