import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/tables.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { type RevocationReason, reasonCodes } from '../../pki/crl.ts'
import type { IssuingKey } from '../authority/issuingKey.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

/** What is known of a serial number under one issuing key. */
export type KnownStatus =
  | { kind: 'good'; since: number }
  /** Also on hold. `reason`: CRLReason number; absent: none was given. */
  | { kind: 'revoked'; since: number; reason?: number }
  /** No certificate has it; an attempt that was abandoned may have had it. */
  | { kind: 'neverIssued' }

/** The certificate, with what an imported authority had said of it before. */
const findCertificate = statement((tables: Kysely<CoreTables>, serial: string, authority: number) =>
  tables
    .selectFrom('certificates')
    .select([
      'status',
      'revoked_at',
      'revocation_reason as reason',
      'created_at',
      'authority_certificate_id as issuer',
      sql<number | null>`(select revoked_at from imported_revocations as imported
        where imported.authority_certificate_id = certificates.authority_certificate_id
        and imported.serial = certificates.serial)`.as('imported'),
    ])
    .where('serial', '=', serial)
    .where('authority_id', '=', authority),
)

const findImported = statement((tables: Kysely<CoreTables>, serial: string, issuer: number) =>
  tables
    .selectFrom('imported_revocations')
    .select(['revoked_at', 'reason'])
    .where('authority_certificate_id', '=', issuer)
    .where('serial', '=', serial),
)

const lastEvent = statement((tables: Kysely<CoreTables>) =>
  tables.selectFrom('revocation_events').select('created_at').orderBy('id', 'desc').limit(1),
)

/** The status of a serial (lower-case hex) as it is now, under any of the key's certificates. `all`: every issuing key. */
export async function readStatus(
  it: Installation,
  { issuing, all }: { issuing: IssuingKey; all: readonly IssuingKey[] },
  serial: string,
): Promise<KnownStatus> {
  let issued: KnownStatus | undefined
  let asked: number | undefined
  for (const { authorityId } of issuing.certificates) {
    if (authorityId === asked) continue
    asked = authorityId
    for (const row of (await findCertificate(it.db, serial, authorityId)).rows) {
      if (!issuing.certificates.some(({ id }) => id === row.issuer)) continue
      if (row.status !== 'issued') return revoked(row.revoked_at ?? row.created_at, row.reason)
      if (row.imported === null) issued = { kind: 'good', since: row.created_at }
    }
  }
  // A CRL of another certificate of the key may have told of it; of its own that is known by now.
  const told = issued && issuing.certificates.length === 1 ? undefined : await revokedElsewhere(it, issuing, serial)
  return told ?? issued ?? ofAuthority(issuing, all, serial)
}

async function revokedElsewhere(
  it: Installation,
  issuing: IssuingKey,
  serial: string,
): Promise<KnownStatus | undefined> {
  for (const { id } of issuing.certificates) {
    const [row] = (await findImported(it.db, serial, id)).rows
    if (row) return revoked(row.revoked_at, row.reason)
  }
  return undefined
}

function revoked(since: number, reason: string | null): KnownStatus {
  const code = reason === null ? undefined : reasonCodes[reason as RevocationReason]
  return code === undefined ? { kind: 'revoked', since } : { kind: 'revoked', since, reason: code }
}

/** Certificates of authorities themselves are not all among the certificates: a root's own, an imported one's, links between two roots. */
function ofAuthority(issuing: IssuingKey, all: readonly IssuingKey[], serial: string): KnownStatus {
  const [{ certificate: issuer }] = issuing.certificates
  const link = issuing.links.find((certificate) => certificate.serial === serial)
  if (link) return { kind: 'good', since: link.notBefore.getTime() }
  for (const { certificates } of all) {
    for (const { certificate } of certificates)
      if (certificate.serial === serial && verifyIssuedBy(certificate, issuer))
        return { kind: 'good', since: certificate.notBefore.getTime() }
  }
  return { kind: 'neverIssued' }
}

/** Clocks of nodes differ by less; milliseconds. */
const clockSkew = 2_000

/** Whether the statuses have stood since before the second of `now` began, so that no other answer was true in it. */
export async function isSettled(db: Database, statuses: readonly KnownStatus[], now: Date): Promise<boolean> {
  const limit = Math.floor(now.getTime() / 1000) * 1000 - clockSkew
  if (statuses.some((status) => status.kind === 'neverIssued' || status.since > limit)) return false
  const [change] = (await lastEvent(db)).rows
  return !change || change.created_at <= limit
}
