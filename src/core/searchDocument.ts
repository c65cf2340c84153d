import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import type { Identifier } from '../pki/identifier.ts'
import { nameText, parseNameText } from '../pki/name.ts'
import type { WantedCertificate } from './request.ts'
import type { Requester } from './requester.ts'
import type { AllTables, SearchFacet, SearchKind } from './searchTables.ts'
import { lines } from './searchText.ts'

/** What search tables say of one request or certificate. */
export interface SearchDocument {
  id: number
  facet: SearchFacet
  requester: { key: string; name: string; people: number[] }
  /** The columns of its search table but the three above. */
  columns: Record<string, string | number | null>
}

/** Reads what is so now. Throws nothing: a row that is not there has no document. */
export const readDocuments = {
  certificate: certificates,
  sign: signRequests,
  revoke: revokeRequests,
} as const satisfies Record<SearchKind, (db: Database, ids: number[]) => Promise<SearchDocument[]>>

interface Common {
  id: number
  organization_id: number
  authority_id: number
  profile_id: number | null
  status: string
  protocol: string
  requester: string
  requester_key: string
  created_at: number
}

const common = ['asked.protocol', 'asked.requester', 'asked.requester_key'] as const
const placed = ['organization_id', 'authority_id', 'profile_id', 'status', 'created_at'] as const

function document(
  row: Common,
  more: Omit<SearchFacet, 'organization' | 'authority' | 'profile' | 'status' | 'protocol'>,
) {
  const { name, people }: Requester = JSON.parse(row.requester)
  const { organization_id: organization, authority_id: authority, profile_id: profile, status, protocol } = row
  return {
    id: row.id,
    facet: { organization, authority, profile, status, protocol, ...more },
    requester: { key: row.requester_key, name, people },
  }
}

async function certificates(db: Database, ids: number[]): Promise<SearchDocument[]> {
  const rows = await withTables<AllTables>(db)
    .selectFrom('certificates')
    .innerJoin('sign_requests as asked', 'asked.id', 'certificates.id')
    .leftJoin('inventory_records', 'inventory_records.id', 'certificates.id')
    .select(['certificates.id', ...common, ...placed.map((column) => `certificates.${column}` as const)])
    .select(['source', 'key_algorithm', 'revocation_reason', 'subject', 'identifiers'])
    .select(['not_before', 'not_after', 'revoked_at', 'archived_at', 'deleted_at'])
    .where('certificates.id', 'in', ids)
    .execute()
  const steps = await stepsOf(db, 'sign_request_id', ids)
  return rows.map((row) => ({
    ...document(row, {
      source: row.source,
      keyAlgorithm: row.key_algorithm,
      reason: row.revocation_reason,
      ...hidden(row),
      ...steps(row.id),
    }),
    columns: {
      ...texts(row.subject, commonNames(row.subject), JSON.parse(row.identifiers)),
      created_at: row.created_at,
      not_before: row.not_before,
      not_after: row.not_after,
      revoked_at: row.revoked_at,
    },
  }))
}

async function signRequests(db: Database, ids: number[]): Promise<SearchDocument[]> {
  const rows = await withTables<AllTables>(db)
    .selectFrom('sign_requests as asked')
    .select(['asked.id', ...common, ...placed.map((column) => `asked.${column}` as const)])
    .leftJoin('inventory_records', 'inventory_records.id', 'asked.id')
    .select(['action', 'wanted', 'ended_at', 'expires_at', 'archived_at', 'deleted_at'])
    .where('asked.id', 'in', ids)
    .execute()
  const steps = await stepsOf(db, 'sign_request_id', ids)
  return rows.map((row) => {
    const { subject, identifiers }: WantedCertificate = JSON.parse(row.wanted)
    const names = subject.flat().filter(({ type }) => type === 'CN')
    return {
      ...document(row, { action: row.action, reason: null, ...hidden(row), ...steps(row.id) }),
      columns: {
        ...texts(
          nameText(subject),
          names.map(({ value }) => value),
          identifiers,
        ),
        ...ending(row),
      },
    }
  })
}

async function revokeRequests(db: Database, ids: number[]): Promise<SearchDocument[]> {
  const rows = await withTables<AllTables>(db)
    .selectFrom('revoke_requests as asked')
    .leftJoin('certificates', 'certificates.id', 'asked.certificate_id')
    .select(['asked.id', ...common, ...placed.map((column) => `asked.${column}` as const)])
    .select(['asked.code', 'certificates.subject', 'certificates.identifiers', 'asked.ended_at', 'asked.expires_at'])
    .where('asked.id', 'in', ids)
    .execute()
  const steps = await stepsOf(db, 'revoke_request_id', ids)
  return rows.map((row) => ({
    ...document(row, { reason: row.code, ...steps(row.id) }),
    columns: {
      ...texts(row.subject ?? '', commonNames(row.subject ?? ''), JSON.parse(row.identifiers ?? '[]')),
      ...ending(row),
    },
  }))
}

function hidden(row: { archived_at: number | null; deleted_at: number | null }) {
  if (row.deleted_at !== null) return { deleted: true }
  return row.archived_at === null ? {} : { archived: true }
}

function texts(subject: string, commonName: string[], identifiers: readonly Identifier[]) {
  return {
    subject: lines(subject === '' ? [] : [subject]),
    common_name: lines(commonName),
    names: lines(identifiers.map(({ value }) => value)),
  }
}

function ending({
  created_at,
  ended_at,
  expires_at,
}: {
  created_at: number
  ended_at: number | null
  expires_at: number | null
}) {
  return { created_at, ended_at, expires_at, duration: ended_at === null ? null : ended_at - created_at }
}

/** Of a subject as RFC 4514 text. One that does not read back has none. */
function commonNames(subject: string): string[] {
  try {
    const name = parseNameText(subject)
    return name.flat().flatMap(({ type, value }) => (type === 'CN' ? [value] : []))
  } catch {
    return []
  }
}

/** Whom the newest decision on each request asks. */
async function stepsOf(
  db: Database,
  column: 'sign_request_id' | 'revoke_request_id',
  ids: number[],
): Promise<(id: number) => { steps?: unknown[] }> {
  const rows = await withTables<AllTables>(db)
    .selectFrom('decisions')
    .select([column, 'steps'])
    .where(column, 'in', ids)
    .orderBy('revision')
    .execute()
  const newest = new Map(rows.map((row) => [(row as Record<typeof column, number | null>)[column], row.steps]))
  return (id) => {
    const steps: unknown[] = JSON.parse(newest.get(id) ?? '[]')
    return steps.length === 0 ? {} : { steps }
  }
}
