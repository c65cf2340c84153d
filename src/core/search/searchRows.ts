import { readApart } from '../../db/apart.ts'
import { withTables } from '../../db/tables.ts'
import { readTbs } from '../../pki/certificateReader.ts'
import { children, readTlv } from '../../pki/der.ts'
import { PkiError } from '../../pki/error.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { decodeName, nameText } from '../../pki/name.ts'
import type { Installation } from '../installation.ts'
import type { CertificateRow, RequestRow } from '../listing/listing.ts'
import type { WantedCertificate } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import { type Found, type Search, searchIds, usualReach } from './search.ts'
import { commonNamesOf } from './searchDocument.ts'
import type { Reach } from './searchPlan.ts'
import type { AllTables } from './searchTables.ts'

/** A certificate in a list with page numbers. */
export interface FoundCertificate extends CertificateRow {
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: string
  commonName: string | null
  /** RFC 4514 text of the issuer's name; empty where it does not read. */
  issuer: string
  /** Whole days until it ends, below 0 afterwards. */
  daysLeft: number
  /** P-256, RSA-2048 and so on. */
  keyAlgorithm: string
  source: string
  protocol: string
  requester: string
  createdAt: Date
}

export interface FoundRequest extends RequestRow {
  /** issue, renew, rekey; revoke. */
  action: string
  authority: string
  /** local, manual, acme: how the authority signs. */
  authorityKind: string
  /** The authority's owner, who decides where no rule names others. */
  administrator: string | null
  commonName: string | null
  /** Milliseconds for which the certificate was asked; null for a revocation. */
  validity: number | null
  /** RFC 5280 reason name of a revocation. */
  code: string | null
  /** What is to be revoked. */
  certificate: { id: number; serial: string } | null
  endedAt: Date | null
  /** Milliseconds from the order to its end. */
  duration: number | null
}

export interface Searches {
  /** By page number, with filters and a total. Throws Failure('malformed') with a problem for each filter that cannot be; see searchIds. */
  searchCertificates(search: Search): Promise<Found<FoundCertificate>>
  searchRequests(search: Search & { kind: 'sign' | 'revoke' }): Promise<Found<FoundRequest>>
}

export function createSearches(it: Installation, requester: Requester, reach: Reach = usualReach): Searches {
  return {
    async searchCertificates(search) {
      const { ids, ...rest } = await searchIds(it, requester, 'certificate', { search, reach })
      return { ...rest, ...pageOf(search), rows: await certificateRows(it, ids, reach) }
    },
    async searchRequests({ kind, ...search }) {
      const { ids, ...rest } = await searchIds(it, requester, kind, { search, reach })
      return { ...rest, ...pageOf(search), rows: await requestRows(it, kind, ids, reach) }
    },
  }
}

/** Requests of which it is known that the reader may see them, the newest first. */
export function requestRows(
  it: Installation,
  kind: 'sign' | 'revoke',
  ids: number[],
  reach: Reach = usualReach,
): Promise<FoundRequest[]> {
  return kind === 'sign' ? signRequests(it, ids, reach) : revokeRequests(it, ids, reach)
}

const pageOf = ({ page, size }: Search) => ({ page, size })

/** As requestRows. */
export async function certificateRows(
  { db, clock }: Installation,
  ids: number[],
  { within }: Reach = usualReach,
): Promise<FoundCertificate[]> {
  if (ids.length === 0) return []
  const query = withTables<AllTables>(db)
    .selectFrom('certificates')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .innerJoin('authorities', 'authorities.id', 'certificates.authority_id')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'certificates.profile_id')
    .select(['certificates.id', 'sign_requests.uuid', 'sign_requests.protocol', 'sign_requests.requester'])
    .select(['serial', 'subject', 'identifiers', 'certificates.status', 'not_before', 'not_after', 'revoked_at'])
    .select(['revocation_reason', 'fingerprint', 'key_algorithm', 'source', 'certificates.created_at', 'der'])
    .select(['authorities.name as authority', 'ra_profiles.name as profile'])
    .where('certificates.id', 'in', ids)
    .orderBy('certificates.id', 'desc')
  const now = clock().getTime()
  return (await readApart(db, query, within)).map((row) => ({
    id: row.id,
    uuid: row.uuid,
    serial: row.serial,
    fingerprint: row.fingerprint,
    commonName: commonNamesOf(row.subject)[0] ?? null,
    // A reading thread gives plain octets.
    issuer: issuerOf(Buffer.from(row.der)),
    daysLeft: Math.floor((row.not_after - now) / 86_400_000),
    subject: row.subject,
    names: valuesOf(JSON.parse(row.identifiers)),
    profile: row.profile,
    authority: row.authority,
    status: row.status === 'issued' && row.not_after <= now ? 'expired' : row.status,
    notBefore: new Date(row.not_before),
    notAfter: new Date(row.not_after),
    revokedAt: dateOf(row.revoked_at),
    revocationReason: row.revocation_reason,
    keyAlgorithm: row.key_algorithm,
    source: row.source,
    protocol: row.protocol,
    requester: nameOfRequester(row.requester),
    createdAt: new Date(row.created_at),
  }))
}

const shown = [
  'asked.id',
  'asked.uuid',
  'asked.status',
  'asked.protocol',
  'asked.requester',
  'asked.source_address',
  'asked.reason',
  'asked.last_error',
  'asked.created_at',
  'asked.expires_at',
  'asked.ended_at',
  'ra_profiles.name as profile',
  'authorities.name as authority',
  'authorities.kind as authority_kind',
  'users.name as administrator',
] as const

async function signRequests({ db }: Installation, ids: number[], { within }: Reach): Promise<FoundRequest[]> {
  if (ids.length === 0) return []
  const query = withTables<AllTables>(db)
    .selectFrom('sign_requests as asked')
    .innerJoin('authorities', 'authorities.id', 'asked.authority_id')
    .leftJoin('users', 'users.id', 'authorities.owner_id')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'asked.profile_id')
    .select([...shown, 'asked.action', 'asked.wanted'])
    .where('asked.id', 'in', ids)
    .orderBy('asked.id', 'desc')
  return (await readApart(db, query, within)).map((row) => {
    const { subject, identifiers, validity, notBefore, notAfter }: WantedCertificate = JSON.parse(row.wanted)
    return {
      ...common(row),
      kind: 'sign',
      action: row.action,
      names: namesOr(nameText(subject), identifiers),
      commonName: subject.flat().find(({ type }) => type === 'CN')?.value ?? null,
      validity: notAfter === undefined ? validity : notAfter - (notBefore ?? row.created_at),
      code: null,
      certificate: null,
    }
  })
}

async function revokeRequests({ db }: Installation, ids: number[], { within }: Reach): Promise<FoundRequest[]> {
  if (ids.length === 0) return []
  const query = withTables<AllTables>(db)
    .selectFrom('revoke_requests as asked')
    .innerJoin('authorities', 'authorities.id', 'asked.authority_id')
    .leftJoin('users', 'users.id', 'authorities.owner_id')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'asked.profile_id')
    .leftJoin('certificates', 'certificates.id', 'asked.certificate_id')
    .select([...shown, 'asked.code', 'certificates.subject', 'certificates.identifiers'])
    .select(['certificates.id as certificate_id', 'certificates.serial'])
    .where('asked.id', 'in', ids)
    .orderBy('asked.id', 'desc')
  return (await readApart(db, query, within)).map((row) => {
    const names = namesOr(row.subject ?? '', JSON.parse(row.identifiers ?? '[]'))
    const { certificate_id: id, serial } = row
    return {
      ...common(row),
      kind: 'revoke',
      action: 'revoke',
      names,
      commonName: commonNamesOf(row.subject ?? '')[0] ?? null,
      validity: null,
      code: row.code,
      certificate: id === null || serial === null ? null : { id, serial },
    }
  })
}

interface Asked {
  id: number
  uuid: string
  status: string
  protocol: string
  requester: string
  source_address: string | null
  reason: string | null
  last_error: string | null
  created_at: number
  expires_at: number | null
  ended_at: number | null
  profile: string | null
  authority: string
  authority_kind: string
  administrator: string | null
}

function common(row: Asked) {
  return {
    id: row.id,
    uuid: row.uuid,
    status: row.status,
    protocol: row.protocol,
    profile: row.profile ?? '',
    authority: row.authority,
    authorityKind: row.authority_kind,
    administrator: row.administrator,
    requester: nameOfRequester(row.requester),
    source: row.source_address,
    reason: row.reason,
    lastError: row.last_error,
    createdAt: new Date(row.created_at),
    expiresAt: dateOf(row.expires_at),
    endedAt: dateOf(row.ended_at),
    duration: row.ended_at === null ? null : row.ended_at - row.created_at,
  }
}

const dateOf = (at: number | null): Date | null => (at === null ? null : new Date(at))
const valuesOf = (identifiers: readonly Identifier[]): string[] => identifiers.map(({ value }) => value)
const nameOfRequester = (json: string): string => (JSON.parse(json) as Requester).name

/** The names, or where there are none the subject. */
function namesOr(subject: string, identifiers: readonly Identifier[]): string[] {
  if (identifiers.length > 0) return valuesOf(identifiers)
  return subject === '' ? [] : [subject]
}

/** Only the head of the certificate is read. */
function issuerOf(der: Buffer): string {
  try {
    const [tbs] = children(readTlv(der), 3)
    return tbs ? nameText(decodeName(readTbs(tbs).issuer)) : ''
  } catch (error) {
    if (error instanceof PkiError) return ''
    throw error
  }
}
