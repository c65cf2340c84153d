import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { encodeCrlEntry } from '../../pki/crl.ts'
import { withdrawCertified } from '../approval/withdrawWaiting.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import { crlIssuerOf, isIndirect } from '../authority/indirectCrl.ts'
import type { Certificate } from '../certificate.ts'
import { crlEntry } from '../crl/crlRead.ts'
import { Failure } from '../failure.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** Whose status changes, by whom, when. */
export interface Withdrawal {
  certificate: Certificate
  requester: Requester
  now: Date
  /** Since when, where that is not now: an authority elsewhere has revoked it before. */
  revokedAt?: Date
  /** Since when its key is thought to be known by others; stands in the CRL (RFC 5280 section 5.3.2). */
  invalidityDate?: Date
}

/**
 * Marks the certificate revoked, or held: from this commit on OCSP and the next CRL say so. A hold that becomes a
 * revocation keeps its date: nobody was to rely on it from then on. Throws Failure('alreadyRevoked').
 */
export async function withdraw(db: Database, withdrawal: Withdrawal, reason: string | undefined): Promise<void> {
  const { certificate, requester, now, revokedAt, invalidityDate } = withdrawal
  const status = reason === 'certificateHold' ? 'hold' : 'revoked'
  const tables = withTables<CoreTables>(db)
  const row = await forUpdate(
    db,
    tables
      .selectFrom('certificates')
      .select(['status', 'revoked_at', 'invalidity_at'])
      .where('id', '=', certificate.id),
  ).executeTakeFirstOrThrow()
  if (row.status === 'revoked' || row.status === status) throw alreadyRevoked(status)
  const changed = {
    revoked_at: revokedAt?.getTime() ?? row.revoked_at ?? now.getTime(),
    invalidity_at: invalidityDate?.getTime() ?? row.invalidity_at,
  }
  const entry = crlEntry({ serial: certificate.serial, revocation_reason: reason ?? null, ...changed })
  await tables
    .updateTable('certificates')
    .set({ status, revocation_reason: reason ?? null, ...changed, crl_entry: encodeCrlEntry(entry) })
    .where('id', '=', certificate.id)
    .execute()
  await recordChange(db, withdrawal, { status, reason: reason ?? null, ...changed })
  await withdrawAuthority(db, certificate, now)
  if (status === 'revoked') await withdrawAsked(db, withdrawal)
  await audit(db, requester, now, {
    action: 'certificate.revoked',
    organizationId: certificate.organizationId,
    subject: { kind: 'certificate', id: certificate.id },
    status,
    details: {
      serial: certificate.serial,
      reason: reason ?? null,
      ...(changed.revoked_at === now.getTime() ? {} : { revokedAt: new Date(changed.revoked_at).toISOString() }),
      ...(invalidityDate ? { invalidityDate: invalidityDate.toISOString() } : {}),
    },
  })
}

export function alreadyRevoked(wanted: 'hold' | 'revoked'): Failure {
  const detail = wanted === 'hold' ? 'is revoked or on hold already' : 'is revoked already'
  return new Failure('alreadyRevoked', `this certificate ${detail}`)
}

/** Makes a certificate on hold valid again, in the caller's transaction. Throws Failure('conflict') where it is not on hold. */
export async function release(db: Database, { certificate, requester, now }: Withdrawal): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const changed = await tables
    .updateTable('certificates')
    .set({ status: 'issued', revoked_at: null, revocation_reason: null, invalidity_at: null, crl_entry: null })
    .where('id', '=', certificate.id)
    .where('status', '=', 'hold')
    .returning('id')
    .executeTakeFirst()
  if (!changed) throw new Failure('conflict', 'this certificate is not on hold')
  await forgetImported(db, certificate)
  const { revokedAt } = certificate
  await recordChange(
    db,
    { certificate, now },
    { status: 'issued', reason: null, revoked_at: revokedAt?.getTime() ?? null, invalidity_at: null },
  )
  await renewOwners(db, certificate)
  await audit(db, requester, now, {
    action: 'certificate.released',
    organizationId: certificate.organizationId,
    subject: { kind: 'certificate', id: certificate.id },
    status: 'issued',
    details: { serial: certificate.serial, heldSince: revokedAt?.toISOString() ?? null },
  })
}

/** What a CRL said of it before it was known here is no longer so. */
async function forgetImported(db: Database, { authorityCertificateId, serial }: Certificate): Promise<void> {
  if (authorityCertificateId === undefined) return
  await withTables<CoreTables>(db)
    .deleteFrom('imported_revocations')
    .where('authority_certificate_id', '=', authorityCertificateId)
    .where('serial', '=', serial)
    .execute()
}

interface Change {
  status: string
  reason: string | null
  revoked_at: number | null
  invalidity_at: number | null
}

/** Raises the counter and writes down what changed. The authority's row is locked until the end: changes are in order. */
async function recordChange(
  db: Database,
  { certificate, now }: Pick<Withdrawal, 'certificate' | 'now'>,
  change: Change,
): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const { revocations } = await tables
    .updateTable('authorities')
    .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
    .where('id', '=', await crlSigner(db, certificate))
    .returning('revocations')
    .executeTakeFirstOrThrow()
  if (certificate.authorityCertificateId === undefined) return
  await tables
    .insertInto('revocation_events')
    .columns([
      'authority_certificate_id',
      'shard',
      'serial',
      'change',
      'status',
      'revoked_at',
      'reason',
      'invalidity_at',
      'not_after',
      'created_at',
    ])
    .expression((eb) =>
      eb
        .selectFrom('certificates')
        .select([
          'authority_certificate_id',
          'shard',
          'serial',
          eb.val(revocations).as('change'),
          eb.val(change.status).as('status'),
          eb.val(change.revoked_at).as('revoked_at'),
          eb.val(change.reason).as('reason'),
          eb.val(change.invalidity_at).as('invalidity_at'),
          'not_after',
          eb.val(now.getTime()).as('created_at'),
        ])
        .where('id', '=', certificate.id),
    )
    .execute()
}

/** The authority that signs the CRL in which a certificate stands: its own, or the one that this hands over to. */
async function crlSigner(db: Database, { id, authorityId }: Certificate): Promise<number> {
  const tables = withTables<CoreTables>(db)
  const { shard } = await tables
    .selectFrom('certificates')
    .select('shard')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  if (!isIndirect(shard)) return authorityId
  const other = await tables
    .selectFrom('authority_certificates')
    .select('authority_id')
    .where('id', '=', crlIssuerOf(shard))
    .executeTakeFirstOrThrow()
  return other.authority_id
}

/** What was asked by its key, and waits for people: nobody is to approve what a key asks that is trusted no more. */
async function withdrawAsked(db: Database, { certificate, requester: actor, now: at }: Withdrawal): Promise<void> {
  const reason = 'the certificate that this was asked with was revoked: ask anew'
  await withdrawCertified(db, certificate, { actor, at, reason })
}

/** The certificate of an authority of ours: from the next look on nothing is issued under it (authority.ts, withdrawn). */
async function withdrawAuthority(db: Database, certificate: Certificate, now: Date): Promise<void> {
  for (const id of await renewOwners(db, certificate)) {
    const detail = `the certificate ${certificate.serial} of an authority was revoked: it issues nothing any more`
    const { organizationId } = certificate
    await raiseAlert(db, now, { kind: 'authority_revoked', organizationId, subject: { kind: 'authority', id }, detail })
  }
}

/** Authorities whose certificate it is are looked at anew; their ids. */
async function renewOwners(db: Database, certificate: Certificate): Promise<number[]> {
  const tables = withTables<CoreTables>(db)
  const owners = await tables
    .selectFrom('authority_certificates')
    .select('authority_id')
    .where('spki_hash', '=', certificate.spkiHash)
    .where('active', '=', 1)
    .execute()
  const ids = owners.map(({ authority_id: id }) => id)
  for (const id of ids) {
    await tables
      .updateTable('authorities')
      .set((eb) => ({ version: eb('version', '+', 1) }))
      .where('id', '=', id)
      .execute()
  }
  return ids
}

/** A key that is known by others is certified no more, for anybody. */
export async function blockCompromisedKey(db: Database, spkiHash: string, now: Date): Promise<void> {
  await withTables<CoreTables>(db)
    .insertInto('blocked_keys')
    .values({ spki_hash: spkiHash, reason: 'keyCompromise', created_at: now.getTime() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
