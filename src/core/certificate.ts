import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/open.ts'
import { statement, withTables } from '../db/tables.ts'
import type { Identifier } from '../pki/identifier.ts'
import { Failure } from './failure.ts'
import type { CoreTables } from './tables.ts'

export type CertificateStatus = 'issued' | 'hold' | 'revoked'

export interface Certificate {
  /** The id of its SignRequest. */
  id: number
  uuid: string
  organizationId: number
  profileId?: number
  authorityId: number
  /** Which certificate of the authority issued it. */
  authorityCertificateId?: number
  /** Lower-case hex, as in the certificate, without a leading 00. */
  serial: string
  /** DER. */
  der: Buffer
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: string
  /** SHA-256 of the SubjectPublicKeyInfo's DER, lower-case hex. */
  spkiHash: string
  /** RFC 4514 text. */
  subject: string
  identifiers: readonly Identifier[]
  keyAlgorithm: string
  notBefore: Date
  notAfter: Date
  status: CertificateStatus
  revokedAt?: Date
  /** RFC 5280 section 5.3.1 name. */
  revocationReason?: string
  /** managed: ordered here. uploaded: somebody made it known here; discovered: it was found somewhere. Those vouch for nobody. */
  source: 'managed' | 'uploaded' | 'discovered'
  /** requesterKey of whoever ordered it, or made it known. */
  requesterKey: string
  renews?: number
}

/** By the request's id or uuid, by the SHA-256 fingerprint of the DER in hex, or by serial under an authority (its name or id). */
export type CertificateRef =
  | { id: number }
  | { uuid: string }
  | { fingerprint: string }
  | { serial: string; authority?: string | number }

const selectable = [
  'certificates.id',
  'sign_requests.uuid',
  'certificates.organization_id',
  'certificates.profile_id',
  'certificates.authority_id',
  'certificates.authority_certificate_id',
  'certificates.serial',
  'certificates.der',
  'certificates.fingerprint',
  'certificates.spki_hash',
  'certificates.subject',
  'certificates.identifiers',
  'certificates.key_algorithm',
  'certificates.not_before',
  'certificates.not_after',
  'certificates.status',
  'certificates.revoked_at',
  'certificates.revocation_reason',
  'certificates.source',
  'certificates.requester_key',
  'certificates.renews_id',
] as const

/** A query over certificates with all that a Certificate needs; add conditions, then map the rows with toCertificate. */
export function selectCertificates(db: Database) {
  return certificatesOf(withTables<CoreTables>(db))
}

function certificatesOf(tables: Kysely<CoreTables>) {
  return tables
    .selectFrom('certificates')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .select(selectable)
}

type CertificateRow = Awaited<ReturnType<ReturnType<typeof selectCertificates>['execute']>>[number]

export function toCertificate(row: CertificateRow): Certificate {
  // What may be absent is set afterwards: conditional spreads would cost more than the look-up.
  const certificate: Certificate = {
    id: row.id,
    uuid: row.uuid,
    organizationId: row.organization_id,
    authorityId: row.authority_id,
    serial: row.serial,
    der: row.der,
    fingerprint: row.fingerprint,
    spkiHash: row.spki_hash,
    subject: row.subject,
    identifiers: JSON.parse(row.identifiers),
    keyAlgorithm: row.key_algorithm,
    notBefore: new Date(row.not_before),
    notAfter: new Date(row.not_after),
    status: row.status as CertificateStatus,
    source: row.source as Certificate['source'],
    requesterKey: row.requester_key,
  }
  if (row.profile_id !== null) certificate.profileId = row.profile_id
  if (row.authority_certificate_id !== null) certificate.authorityCertificateId = row.authority_certificate_id
  if (row.revoked_at !== null) certificate.revokedAt = new Date(row.revoked_at)
  if (row.revocation_reason !== null) certificate.revocationReason = row.revocation_reason
  if (row.renews_id !== null) certificate.renews = row.renews_id
  return certificate
}

const byUuid = statement((tables: Kysely<CoreTables>, uuid: string) =>
  certificatesOf(tables).where('sign_requests.uuid', '=', uuid),
)

const byId = statement((tables: Kysely<CoreTables>, id: number) =>
  certificatesOf(tables).where('certificates.id', '=', id),
)

// A bound limit is slow on SQLite.
const byFingerprint = statement((tables: Kysely<CoreTables>, fingerprint: string) =>
  certificatesOf(tables)
    .where('certificates.fingerprint', '=', fingerprint)
    .where('certificates.profile_id', 'is not', null)
    .limit(sql.lit(2)),
)

/**
 * Finds one certificate. A serial that two authorities share is found only with the authority's name. Uploaded certificates of others have no profile, and are found by id
 * and uuid: who uploads one hides nobody's behind it.
 */
export async function findCertificate(db: Database, ref: CertificateRef): Promise<Certificate | undefined> {
  if ('uuid' in ref) {
    const [found] = (await byUuid(db, ref.uuid)).rows
    return found && toCertificate(found)
  }
  if ('id' in ref) {
    const [found] = (await byId(db, ref.id)).rows
    return found && toCertificate(found)
  }
  if ('fingerprint' in ref) return theOne((await byFingerprint(db, ref.fingerprint)).rows)
  let query = selectCertificates(db).where('certificates.serial', '=', ref.serial).limit(sql.lit(2))
  const { authority } = ref
  if (authority === undefined) query = query.where('certificates.profile_id', 'is not', null)
  if (typeof authority === 'number') query = query.where('certificates.authority_id', '=', authority)
  else if (authority !== undefined) {
    query = query.where('certificates.authority_id', 'in', (eb) =>
      eb.selectFrom('authorities').select('id').where('name', '=', authority),
    )
  }
  return theOne(await query.execute())
}

function theOne([row, another]: CertificateRow[]): Certificate | undefined {
  return row === undefined || another !== undefined ? undefined : toCertificate(row)
}

/**
 * The certificate that an order renews, if it names one. Throws Failure('forbidden') for one that was not ordered here: nobody's identity
 * was checked for it here, so that holding its key entitles to nothing.
 */
export async function findRenewed(db: Database, id: number | undefined): Promise<Certificate | undefined> {
  const renewed = id === undefined ? undefined : await findCertificate(db, { id })
  if (renewed && renewed.source !== 'managed')
    throw new Failure(
      'forbidden',
      'a certificate that was not issued over this installation renews nothing; order anew',
    )
  return renewed
}
