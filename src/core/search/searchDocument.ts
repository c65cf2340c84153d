import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { nameText, parseNameText } from '../../pki/name.ts'
import type { WantedCertificate } from '../request/request.ts'
import type { AllTables, SearchFacet, SearchKind } from './searchTables.ts'
import { lines } from './searchText.ts'

/** What search tables say of one request or certificate. */
export interface SearchDocument {
  id: number
  facet: SearchFacet
  requester: Asked
  /** An order and its certificate share them where they are alike. */
  texts: Texts
  /** The other columns of its search table, in the order of numberColumns. */
  numbers: (number | null)[]
}

export interface Texts {
  subject: string
  common_name: string
  names: string
}

export const numberColumns = {
  certificate: ['created_at', 'not_before', 'not_after', 'revoked_at'],
  sign: ['created_at', 'ended_at', 'expires_at', 'duration'],
  revoke: ['created_at', 'ended_at', 'expires_at', 'duration'],
} as const satisfies Record<SearchKind, string[]>

/** As sign_requests and revoke_requests have them. */
export interface Asked {
  requester: string
  requester_key: string
}

/** Numbers as one bound value, with the same text of a statement however many they are. */
export function listOf(db: Database, ids: readonly number[]): string {
  return db.dialect === 'sqlite' ? JSON.stringify(ids) : `{${ids.join()}}`
}

/** For `in`, of what listOf gave. */
export const listed = {
  sqlite: (list: string) => sql`(select value from json_each(${list}))`,
  postgres: (list: string) => sql`(select unnest(${list}::bigint[]))`,
} as const

interface Placed {
  organization_id: number
  authority_id: number
  profile_id: number | null
  status: string
  created_at: number
}

interface OrderRow extends Placed, Asked {
  id: number
  protocol: string
  action: string
  wanted: string
  ended_at: number | null
  expires_at: number | null
  owner_id: number | null
  archived_at: number | null
  deleted_at: number | null
  /** The rest is the certificate's, and null where there is none. */
  issued: number | null
  c_organization_id: number
  c_authority_id: number
  c_profile_id: number | null
  c_status: string
  c_created_at: number
  source: string
  key_algorithm: string
  revocation_reason: string | null
  subject: string
  identifiers: string
  not_before: number
  not_after: number
  revoked_at: number | null
}

const orders = (dialect: Database['dialect']) =>
  statement((tables: Kysely<AllTables>, ids: string) =>
    compiling(
      tables,
      sql<OrderRow>`select a.id, a.organization_id, a.authority_id, a.profile_id, a.status, a.created_at, a.requester, a.requester_key,
        a.protocol, a.action, a.wanted, a.ended_at, a.expires_at, r.owner_id, r.archived_at, r.deleted_at, c.id as issued,
        c.organization_id as c_organization_id, c.authority_id as c_authority_id, c.profile_id as c_profile_id, c.status as c_status,
        c.created_at as c_created_at, c.source, c.key_algorithm, c.revocation_reason, c.subject, c.identifiers, c.not_before, c.not_after,
        c.revoked_at
      from sign_requests a left join certificates c on c.id = a.id left join inventory_records r on r.id = a.id
      where a.id in ${listed[dialect](ids)}`,
    ),
  )

const groups = (dialect: Database['dialect']) =>
  statement((tables: Kysely<AllTables>, ids: string) =>
    compiling(
      tables,
      sql<{ id: number; group_id: number }>`select certificate_id as id, group_id from certificate_groups
        where certificate_id in ${listed[dialect](ids)} order by group_id`,
    ),
  )

/** Whom the newest decision on each request asks. A first one that asks nobody is left out. */
const steps = (dialect: Database['dialect'], column: string) =>
  statement((tables: Kysely<AllTables>, ids: string) =>
    compiling(
      tables,
      sql<{ id: number; steps: string }>`select ${sql.ref(column)} as id, steps from decisions
        where ${sql.ref(column)} in ${listed[dialect](ids)} and (steps <> '[]' or revision > 1) order by revision`,
    ),
  )

const statements = {
  sqlite: of('sqlite'),
  postgres: of('postgres'),
}

function of(dialect: Database['dialect']) {
  return {
    orders: orders(dialect),
    groups: groups(dialect),
    sign: steps(dialect, 'sign_request_id'),
    revoke: steps(dialect, 'revoke_request_id'),
  }
}

function compiling<Row>(tables: Kysely<AllTables>, query: ReturnType<typeof sql<Row>>) {
  return { compile: () => query.compile(tables) }
}

/** Reads what is so now of orders and their certificates. A row that is not there has no document. */
export async function readOrders(
  db: Database,
  ids: readonly number[],
): Promise<Record<'sign' | 'certificate', SearchDocument[]>> {
  const list = listOf(db, ids)
  const run = statements[db.dialect]
  const { rows } = await run.orders(db, list)
  const asked = newest((await run.sign(db, list)).rows)
  const grouped = new Map<number, number[]>()
  for (const { id, group_id } of (await run.groups(db, list)).rows)
    grouped.set(id, [...(grouped.get(id) ?? []), group_id])
  const found: Record<'sign' | 'certificate', SearchDocument[]> = { sign: [], certificate: [] }
  for (const row of rows) {
    const { subject, identifiers }: WantedCertificate = JSON.parse(row.wanted)
    const name = nameText(subject)
    const commonNames = subject.flat().flatMap(({ type, value }) => (type === 'CN' ? [value] : []))
    const own = textsOf(name, commonNames, identifiers)
    const rest = { ...belonging(row, grouped.get(row.id)), ...asked(row.id) }
    found.sign.push({
      id: row.id,
      facet: { ...placeOf(row), protocol: row.protocol, action: row.action, reason: null, ...rest },
      requester: row,
      texts: own,
      numbers: ending(row),
    })
    if (row.issued === null) continue
    const alike = row.subject === name && row.identifiers === JSON.stringify(identifiers)
    const texts = alike ? own : textsOf(row.subject, commonNamesOf(row.subject), JSON.parse(row.identifiers))
    found.certificate.push(certificateOf(row, { texts, rest }))
  }
  return found
}

function certificateOf(row: OrderRow, { texts, rest }: { texts: Texts; rest: object }): SearchDocument {
  return {
    id: row.id,
    facet: {
      organization: row.c_organization_id,
      authority: row.c_authority_id,
      profile: row.c_profile_id,
      status: row.c_status,
      protocol: row.protocol,
      source: row.source,
      keyAlgorithm: row.key_algorithm,
      reason: row.revocation_reason,
      ...rest,
    },
    requester: row,
    texts,
    numbers: [row.c_created_at, row.not_before, row.not_after, row.revoked_at],
  }
}

/** As readOrders, of revocations. */
export async function readRevocations(db: Database, ids: readonly number[]): Promise<SearchDocument[]> {
  const rows = await withTables<AllTables>(db)
    .selectFrom('revoke_requests as asked')
    .leftJoin('certificates', 'certificates.id', 'asked.certificate_id')
    .select(['asked.id', 'asked.organization_id', 'asked.authority_id', 'asked.profile_id', 'asked.status'])
    .select(['asked.created_at', 'asked.protocol', 'asked.requester', 'asked.requester_key'])
    .select(['asked.code', 'certificates.subject', 'certificates.identifiers', 'asked.ended_at', 'asked.expires_at'])
    .where('asked.id', 'in', ids)
    .execute()
  const asked = newest((await statements[db.dialect].revoke(db, listOf(db, ids))).rows)
  return rows.map((row) => ({
    id: row.id,
    facet: { ...placeOf(row), protocol: row.protocol, reason: row.code, ...asked(row.id) },
    requester: row,
    texts: textsOf(row.subject ?? '', commonNamesOf(row.subject ?? ''), JSON.parse(row.identifiers ?? '[]')),
    numbers: ending(row),
  }))
}

function placeOf({ organization_id: organization, authority_id: authority, profile_id: profile, status }: Placed) {
  return { organization, authority, profile, status }
}

function belonging({ owner_id, archived_at, deleted_at }: OrderRow, groups: number[] | undefined) {
  if (deleted_at !== null) return { deleted: true }
  return {
    ...(owner_id === null ? {} : { owner: owner_id }),
    ...(groups ? { groups } : {}),
    ...(archived_at === null ? {} : { archived: true }),
  }
}

function textsOf(subject: string, commonName: string[], identifiers: readonly Identifier[]): Texts {
  return {
    subject: lines(subject === '' ? [] : [subject]),
    common_name: lines(commonName),
    names: lines(identifiers.map(({ value }) => value)),
  }
}

function ending({ created_at, ended_at, expires_at }: Pick<OrderRow, 'created_at' | 'ended_at' | 'expires_at'>) {
  return [created_at, ended_at, expires_at, ended_at === null ? null : ended_at - created_at]
}

/** Of a subject as RFC 4514 text. One that does not read back has none. */
export function commonNamesOf(subject: string): string[] {
  try {
    const name = parseNameText(subject)
    return name.flat().flatMap(({ type, value }) => (type === 'CN' ? [value] : []))
  } catch {
    return []
  }
}

function newest(rows: { id: number; steps: string }[]): (id: number) => { steps?: unknown[] } {
  const found = new Map(rows.map(({ id, steps }) => [id, steps]))
  return (id) => {
    const text = found.get(id)
    return text === undefined || text === '[]' ? {} : { steps: JSON.parse(text) }
  }
}
