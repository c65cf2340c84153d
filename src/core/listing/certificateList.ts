import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { type Reader, readerOf } from '../request/requestReader.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type Pace, pageLimit, type Step, scan } from './keyset.ts'
import type { CertificateFilter, CertificateRow, Page } from './listing.ts'

const statuses = ['issued', 'expired', 'hold', 'revoked']

/** See Listing.certificates. Throws Failure('malformed') for a status that certificates do not have. */
export async function listCertificates(
  it: Installation,
  requester: Requester,
  filter: CertificateFilter,
  pace: Pace,
): Promise<Page<CertificateRow>> {
  if (filter.status !== undefined && !statuses.includes(filter.status)) {
    throw new Failure('malformed', `a certificate is ${statuses.join(', ')}`)
  }
  const now = it.clock().getTime()
  const reader = await readerOf(it.db, requester, it.clock())
  const below = filter.after ?? (await endOf(it.db))
  const needle = filter.search?.toLowerCase()
  const page = await scan(below, {
    fetch: (step) => select(it.db, { filter, reader, step, now }),
    keep: (rows) => readable(reader, needle === undefined ? rows : rows.filter((row) => matches(row, needle))),
    indexed:
      reader.sees === 'all' &&
      Object.entries(filter).every(([key, value]) => value === undefined || key === 'after' || key === 'limit'),
    limit: pageLimit(filter.limit),
    pace,
  })
  return { ...page, rows: page.rows.map((row) => toRow(row, now)) }
}

/** As its request: who may read that one sees the certificate. */
async function readable(reader: Reader, rows: Row[]): Promise<Row[]> {
  if (reader.sees !== 'organization' || rows.length === 0) return rows
  const ids = await reader.may('sign', rows)
  return rows.filter(({ id }) => ids.has(id))
}

async function endOf(db: Database): Promise<number> {
  const { id } = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select((eb) => eb.fn.max<number | null>('id').as('id'))
    .executeTakeFirstOrThrow()
  return (id ?? 0) + 1
}

interface Query {
  filter: CertificateFilter
  reader: Reader
  step: Step
  now: number
}

async function select(db: Database, { filter, reader, step, now }: Query) {
  let query = withTables<CoreTables>(db)
    .selectFrom('certificates')
    .innerJoin('sign_requests', 'sign_requests.id', 'certificates.id')
    .innerJoin('authorities', 'authorities.id', 'certificates.authority_id')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'certificates.profile_id')
    .leftJoin('inventory_records', 'inventory_records.id', 'certificates.id')
    .select(['certificates.id', 'sign_requests.uuid', 'serial', 'subject', 'identifiers', 'certificates.status'])
    .select([
      'not_before',
      'not_after',
      'revoked_at',
      'revocation_reason',
      'authorities.name as authority',
      'ra_profiles.name as profile',
      'certificates.authority_id',
      'certificates.profile_id',
      'sign_requests.requester',
      'sign_requests.requester_key',
    ])
    .where('certificates.id', '<', step.below)
    .where('certificates.id', '>=', step.from)
    .orderBy('certificates.id', 'desc')
    .limit(step.limit)
  if (!filter.archived) query = query.where('archived_at', 'is', null)
  if (filter.profile !== undefined) query = query.where('ra_profiles.name', '=', filter.profile)
  if (filter.authority !== undefined) query = query.where('authorities.name', '=', filter.authority)
  if (filter.status !== undefined)
    query = query.where('certificates.status', '=', filter.status === 'expired' ? 'issued' : filter.status)
  if (filter.status === 'issued') query = query.where('not_after', '>', now)
  if (filter.status === 'expired') query = query.where('not_after', '<=', now)
  const pattern = likePattern(filter.search)
  if (pattern !== undefined) {
    query = query.where(
      sql<boolean>`(lower(subject) like ${pattern} escape '!' or lower(identifiers) like ${pattern} escape '!')`,
    )
  }
  if (reader.sees === 'organization') query = query.where('certificates.organization_id', '=', reader.organizationId)
  if (reader.sees === 'own') query = query.where('certificates.requester_key', '=', reader.requesterKey)
  return query.execute()
}

type Row = Awaited<ReturnType<typeof select>>[number]

/** Spares most rows the way here. Both databases lower ASCII alone, and the names are JSON: other text is left to `matches`. */
function likePattern(search: string | undefined): string | undefined {
  if (search === undefined || !/^[\x20-\x7e]*$/.test(search) || /["\\]/.test(search)) return undefined
  return `%${search.toLowerCase().replace(/[!%_]/g, '!$&')}%`
}

function namesOf({ identifiers }: Row): string[] {
  return (JSON.parse(identifiers) as Identifier[]).map(({ value }) => value)
}

function matches(row: Row, needle: string): boolean {
  return [row.subject, ...namesOf(row)].some((text) => text.toLowerCase().includes(needle))
}

function toRow(row: Row, now: number): CertificateRow {
  return {
    id: row.id,
    uuid: row.uuid,
    serial: row.serial,
    subject: row.subject,
    names: namesOf(row),
    profile: row.profile,
    authority: row.authority,
    status: row.status === 'issued' && row.not_after <= now ? 'expired' : row.status,
    notBefore: new Date(row.not_before),
    notAfter: new Date(row.not_after),
    revokedAt: row.revoked_at === null ? null : new Date(row.revoked_at),
    revocationReason: row.revocation_reason,
  }
}
