import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { loadIssuer } from '../authority/authority.ts'
import { type Certificate, selectCertificates, toCertificate } from '../certificate.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

/** When a certificate should be renewed: whole seconds, and the end is always after the start (RFC 9773 section 4.2). */
export interface RenewalWindow {
  start: Date
  end: Date
  /** A page for people that says why. */
  explanationUrl?: string
}

/** A certificate as RFC 9773 section 4.1 names it. */
export interface CertId {
  /** The keyIdentifier of its authority key identifier, lower-case hex. */
  keyIdentifier: string
  /** As Certificate.serial. */
  serial: string
}

const second = 1_000
const hour = 3_600_000

/**
 * From two thirds of the lifetime to three quarters of it: early enough to fail for weeks, and wide enough to spread what
 * was issued together. Pure.
 */
export function ordinaryWindow({ notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>): RenewalWindow {
  const end = lastSecond(notAfter)
  const lifetime = end - notBefore.getTime()
  return whole(end - lifetime / 3, end - lifetime / 4)
}

/** The record knows the moment to the millisecond, the certificate holds whole seconds. */
function lastSecond(notAfter: Date): number {
  return Math.floor(notAfter.getTime() / second) * second
}

function whole(start: number, end: number): RenewalWindow {
  const from = Math.floor(start / second) * second
  return { start: new Date(from), end: new Date(Math.max(Math.floor(end / second) * second, from + second)) }
}

/**
 * The window of a certificate: in the past once it is revoked, else the newest that an administrator has set for it and
 * that begins before its end, else the ordinary one.
 */
export async function renewalWindow(db: Database, certificate: Certificate): Promise<RenewalWindow> {
  const set = await findWindow(db, certificate)
  const why = set?.explanation_url == null ? {} : { explanationUrl: set.explanation_url }
  const revoked = certificate.status === 'revoked' ? certificate.revokedAt?.getTime() : undefined
  if (revoked !== undefined) return { ...whole(revoked - hour, revoked - second), ...why }
  if (!set) return ordinaryWindow(certificate)
  return { ...whole(set.window_start, Math.min(set.window_end, lastSecond(certificate.notAfter))), ...why }
}

function findWindow(db: Database, { id, organizationId, authorityId, profileId, notAfter }: Certificate) {
  const tables = withTables<CoreTables>(db)
  return tables
    .selectFrom('renewal_windows as w')
    .select(['w.window_start', 'w.window_end', 'w.explanation_url'])
    .where(({ or, eb }) => or([eb('w.certificate_id', '=', id), eb('w.certificate_id', 'is', null)]))
    .where(({ or, eb }) => or([eb('w.organization_id', '=', organizationId), eb('w.organization_id', 'is', null)]))
    .where(({ or, eb }) => or([eb('w.authority_id', '=', authorityId), eb('w.authority_id', 'is', null)]))
    .where(({ or, eb }) => or([eb('w.profile_id', '=', profileId ?? -1), eb('w.profile_id', 'is', null)]))
    .where('w.window_start', '<', lastSecond(notAfter))
    .where(
      'w.issued_before',
      '>',
      tables.selectFrom('certificates').select('created_at').where('certificates.id', '=', id),
    )
    .orderBy('w.id', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** The certificate of ours with that serial number below an issuer with that key. */
export async function findByCertId(
  it: Installation,
  { keyIdentifier, serial }: CertId,
): Promise<Certificate | undefined> {
  const rows = await selectCertificates(it.db).where('certificates.serial', '=', serial).limit(10).execute()
  for (const certificate of rows.map(toCertificate)) {
    if (certificate.authorityCertificateId === undefined) continue
    const { certificate: issuer } = await loadIssuer(it, certificate.authorityCertificateId)
    if (issuer.ski?.toString('hex') === keyIdentifier) return certificate
  }
  return undefined
}
