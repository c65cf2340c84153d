import { performance } from 'node:perf_hooks'
import { sql } from 'kysely'
import { inTime, readApart, TookTooLong } from '../../db/apart.ts'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import { usualReach } from '../search/search.ts'
import { admittedFacets } from '../search/searchFacets.ts'
import { type Condition, checkFilters, type Filter } from '../search/searchFilter.ts'
import { followSearch } from '../search/searchFollow.ts'
import { compilable, residue } from '../search/searchPlan.ts'
import { certificateRows, type FoundCertificate, type FoundRequest, requestRows } from '../search/searchRows.ts'
import { all } from '../search/searchSql.ts'
import { type AllTables, type SearchKind, searchTable } from '../search/searchTables.ts'
import { type CsvCell, csvLine } from './csv.ts'

/** A list as a file: all that a search finds, however much. */
export interface CsvDraft {
  list: SearchKind
  where?: readonly Filter[]
  archived?: boolean
}

const PAGE = 500
/** Ids that one query goes through at most. */
const SPAN = 50_000
/** Milliseconds after which it is looked again at what the requester may see. */
const ANEW = 2_000

/** See Listing.csv. */
export async function exportCsv(
  it: Installation,
  requester: Requester,
  draft: CsvDraft,
): Promise<AsyncIterable<string>> {
  const { list: kind, where = [], archived = false } = draft
  const conditions = checkFilters(kind, where, it.clock().getTime())
  if (conditions.some(({ test, field }) => test === 'matches' && field.at !== 'facet'))
    throw new Failure(
      'malformed',
      'a file is made without regular expressions: filter by contains, startsWith or endsWith',
    )
  if (!(await followSearch(it.db, 50)))
    throw new Failure('unavailable', 'what lists are searched by is being made; try again in a while', {
      retryAfter: 10,
    })
  const ids = exportedIds(it, requester, { kind, conditions, archived })
  // What is refused is refused before the first line.
  const first = await ids.next()
  return lines(it, kind, first, ids)
}

async function* lines(
  it: Installation,
  kind: SearchKind,
  first: IteratorResult<number[]>,
  ids: AsyncGenerator<number[]>,
): AsyncGenerator<string> {
  const columns = kind === 'certificate' ? certificateColumns : requestColumns
  yield csvLine(Object.keys(columns))
  try {
    for (let page = first; !page.done; page = await ids.next()) yield await pageOf(it, kind, page.value)
  } finally {
    await ids.return(undefined)
  }
}

async function pageOf(it: Installation, kind: SearchKind, ids: number[]): Promise<string> {
  if (kind === 'certificate') return text(certificateColumns, await certificateRows(it, ids))
  return text(requestColumns, await requestRows(it, kind, ids))
}

type Columns<Row> = Record<string, (row: Row) => CsvCell>

function text<Row>(columns: Columns<Row>, rows: Row[]): string {
  const cells = Object.values(columns)
  return rows.map((row) => csvLine(cells.map((of) => of(row)))).join('')
}

const DAY = 86_400_000

const certificateColumns: Columns<FoundCertificate> = {
  id: ({ id }) => id,
  uuid: ({ uuid }) => uuid,
  serial: ({ serial }) => serial,
  commonName: ({ commonName }) => commonName,
  names: ({ names }) => names,
  subject: ({ subject }) => subject,
  issuer: ({ issuer }) => issuer,
  authority: ({ authority }) => authority,
  profile: ({ profile }) => profile,
  status: ({ status }) => status,
  notBefore: ({ notBefore }) => notBefore,
  notAfter: ({ notAfter }) => notAfter,
  daysLeft: ({ daysLeft }) => daysLeft,
  keyAlgorithm: ({ keyAlgorithm }) => keyAlgorithm,
  fingerprint: ({ fingerprint }) => fingerprint,
  source: ({ source }) => source,
  protocol: ({ protocol }) => protocol,
  requester: ({ requester }) => requester,
  createdAt: ({ createdAt }) => createdAt,
  revokedAt: ({ revokedAt }) => revokedAt,
  reason: ({ revocationReason }) => revocationReason,
}

const requestColumns: Columns<FoundRequest> = {
  id: ({ id }) => id,
  uuid: ({ uuid }) => uuid,
  status: ({ status }) => status,
  action: ({ action }) => action,
  commonName: ({ commonName }) => commonName,
  names: ({ names }) => names,
  authority: ({ authority }) => authority,
  administrator: ({ administrator }) => administrator,
  profile: ({ profile }) => profile,
  protocol: ({ protocol }) => protocol,
  requester: ({ requester }) => requester,
  source: ({ source }) => source,
  validityDays: ({ validity }) => (validity === null ? null : Math.round((validity / DAY) * 100) / 100),
  revocationReason: ({ code }) => code,
  createdAt: ({ createdAt }) => createdAt,
  expiresAt: ({ expiresAt }) => expiresAt,
  endedAt: ({ endedAt }) => endedAt,
  durationSeconds: ({ duration }) => (duration === null ? null : duration / 1000),
  reason: ({ reason }) => reason,
  lastError: ({ lastError }) => lastError,
}

interface Exported {
  kind: SearchKind
  conditions: Condition[]
  archived: boolean
}

/** The newest first, each once, page by page: what comes while it is read is not in it. */
async function* exportedIds(it: Installation, requester: Requester, what: Exported): AsyncGenerator<number[]> {
  const { db } = it
  const { kind, conditions } = what
  const table = sql.table(searchTable[kind])
  const hint = db.dialect === 'sqlite' ? sql`not indexed` : sql``
  let admitted = await admittedNow(it, requester, what)
  let looked = performance.now()
  for (let below = (await endOf(db, kind)) + 1; below > 1; ) {
    if (performance.now() - looked > ANEW) {
      admitted = await admittedNow(it, requester, what)
      looked = performance.now()
    }
    if (admitted.groups.length === 0) return
    const now = it.clock().getTime()
    const task = { db, kind, conditions, admitted, reach: usualReach, now, offset: 0, size: PAGE }
    const from = Math.max(0, below - SPAN)
    const where = all([sql`s.id < ${below}`, sql`s.id >= ${from}`, inTime(db, sql.ref('s.id')), ...residue(task)])
    const query = sql<{
      id: number
    }>`select s.id from ${table} s ${hint} where ${where} order by s.id desc limit ${sql.lit(PAGE)}`
    const rows = await within(readApart<{ id: number }>(db, compilable(db, query), usualReach.within))
    if (rows.length > 0) yield rows.map(({ id }) => id)
    below = rows.length === PAGE ? (rows.at(-1)?.id ?? 0) : from
  }
}

function admittedNow({ db, clock }: Installation, requester: Requester, { kind, conditions, archived }: Exported) {
  return admittedFacets(db, requester, { kind, conditions, archived, now: clock().getTime() })
}

async function within<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof TookTooLong)) throw error
    throw new Failure('malformed', 'this goes through too many rows: narrow the filters', { cause: error })
  }
}

async function endOf(db: Database, kind: SearchKind): Promise<number> {
  const { id } = await withTables<AllTables>(db)
    .selectFrom(searchTable[kind])
    .select((eb) => eb.fn.max<number | null>('id').as('id'))
    .executeTakeFirstOrThrow()
  return id ?? 0
}
