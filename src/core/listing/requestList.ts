import { sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { nameText } from '../../pki/name.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { WantedCertificate } from '../request/request.ts'
import { type Readable, type Reader, readerOf } from '../request/requestReader.ts'
import { revokeMoves, signMoves } from '../request/transition.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type Pace, pageLimit, type Step, scan } from './keyset.ts'
import type { Page, RequestFilter, RequestRow } from './listing.ts'

/** See Listing.requests. Throws Failure('malformed') for a status that such requests do not have. Answers only what Approvals.review would show the same requester. */
export async function listRequests(
  it: Installation,
  requester: Requester,
  filter: RequestFilter,
  pace: Pace,
): Promise<Page<RequestRow>> {
  checkStatus(filter)
  const reader = await readerOf(it.db, requester, it.clock())
  const select = filter.kind === 'sign' ? signRows : revokeRows
  const below = filter.after ?? (await endOf(it.db, filter.kind))
  const page = await scan<Row>(below, {
    fetch: (step) => select(it.db, { filter, reader, step }),
    keep: async (rows) => {
      if (reader.sees !== 'organization' || rows.length === 0) return rows
      const ids = await reader.may(filter.kind, rows)
      return rows.filter(({ id }) => ids.has(id))
    },
    indexed: servedByIndex(filter, reader),
    limit: pageLimit(filter.limit),
    pace,
  })
  return { ...page, rows: page.rows.map((row) => toRow(filter, row)) }
}

function checkStatus({ kind, status }: RequestFilter): void {
  const statuses = Object.keys(kind === 'sign' ? signMoves : revokeMoves)
  if (status === undefined || statuses.includes(status)) return
  throw new Failure('malformed', `a request to ${kind} is ${statuses.join(', ')}`)
}

const open = { sign: ['draft', 'requested', 'signing', 'failed'], revoke: [] as string[] }

/** The index sign_requests_open, or, without any condition, the key itself. */
function servedByIndex({ kind, status, profile }: RequestFilter, { sees }: Reader): boolean {
  if (status !== undefined) return open[kind].includes(status)
  return profile === undefined && sees === 'all'
}

async function endOf(db: Database, kind: RequestFilter['kind']): Promise<number> {
  const { id } = await withTables<CoreTables>(db)
    .selectFrom(kind === 'sign' ? 'sign_requests' : 'revoke_requests')
    .select((eb) => eb.fn.max<number | null>('id').as('id'))
    .executeTakeFirstOrThrow()
  return (id ?? 0) + 1
}

interface Query {
  filter: RequestFilter
  reader: Reader
  step: Step
}

interface Row extends Readable {
  uuid: string
  status: string
  protocol: string
  profile: string | null
  source_address: string | null
  /** JSON of WantedCertificate. */
  wanted?: string
  /** JSON of Identifier[]. */
  identifiers?: string | null
  subject?: string | null
  reason: string | null
  last_error: string | null
  created_at: number
  expires_at: number | null
}

const columns = [
  'asked.id',
  'asked.uuid',
  'asked.status',
  'asked.protocol',
  'asked.authority_id',
  'asked.profile_id',
  'asked.requester',
  'asked.requester_key',
  'asked.source_address',
  'asked.reason',
  'asked.last_error',
  'asked.created_at',
  'asked.expires_at',
  'ra_profiles.name as profile',
] as const

async function signRows(db: Database, { filter, reader, step }: Query): Promise<Row[]> {
  let query = withTables<CoreTables>(db)
    .selectFrom('sign_requests as asked')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'asked.profile_id')
    .select([...columns, 'asked.wanted'])
    .where('asked.id', '<', step.below)
    .where('asked.id', '>=', step.from)
    .orderBy('asked.id', 'desc')
    .limit(step.limit)
  if (filter.status !== undefined) query = query.where('asked.status', '=', filter.status)
  // In the words of the partial index, so that both databases see that it serves.
  if (filter.status !== undefined && open.sign.includes(filter.status)) {
    query = query.where(sql<boolean>`asked.status in ('draft', 'requested', 'signing', 'failed')`)
  }
  if (filter.profile !== undefined) query = query.where('ra_profiles.name', '=', filter.profile)
  if (reader.sees === 'organization') query = query.where('asked.organization_id', '=', reader.organizationId)
  if (reader.sees === 'own') query = query.where('asked.requester_key', '=', reader.requesterKey)
  return query.execute()
}

async function revokeRows(db: Database, { filter, reader, step }: Query): Promise<Row[]> {
  let query = withTables<CoreTables>(db)
    .selectFrom('revoke_requests as asked')
    .leftJoin('ra_profiles', 'ra_profiles.id', 'asked.profile_id')
    .leftJoin('certificates', 'certificates.id', 'asked.certificate_id')
    .select([...columns, 'certificates.identifiers', 'certificates.subject'])
    .where('asked.id', '<', step.below)
    .where('asked.id', '>=', step.from)
    .orderBy('asked.id', 'desc')
    .limit(step.limit)
  if (filter.status !== undefined) query = query.where('asked.status', '=', filter.status)
  if (filter.profile !== undefined) query = query.where('ra_profiles.name', '=', filter.profile)
  if (reader.sees === 'organization') query = query.where('asked.organization_id', '=', reader.organizationId)
  if (reader.sees === 'own') query = query.where('asked.requester_key', '=', reader.requesterKey)
  return query.execute()
}

function toRow({ kind }: RequestFilter, row: Row): RequestRow {
  const requester: Requester = JSON.parse(row.requester)
  return {
    kind,
    id: row.id,
    uuid: row.uuid,
    status: row.status,
    protocol: row.protocol,
    profile: row.profile ?? '',
    requester: requester.name,
    source: row.source_address,
    names: namesOf(row),
    reason: row.reason,
    lastError: row.last_error,
    createdAt: new Date(row.created_at),
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at),
  }
}

/** The names, or where there are none the subject. */
function namesOf(row: Row): string[] {
  const wanted: Pick<WantedCertificate, 'identifiers' | 'subject'> | undefined =
    row.wanted === undefined ? undefined : JSON.parse(row.wanted)
  const identifiers: WantedCertificate['identifiers'] = wanted?.identifiers ?? JSON.parse(row.identifiers ?? '[]')
  const subject = wanted ? nameText(wanted.subject) : (row.subject ?? '')
  if (identifiers.length > 0) return identifiers.map(({ value }) => value)
  return subject === '' ? [] : [subject]
}
