import { readApart } from '../../db/apart.ts'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type Readable, type Reader, readerOf } from '../request/requestReader.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { FacetNames } from './searchFields.ts'
import type { Condition } from './searchFilter.ts'
import { type AllTables, type SearchFacet, type SearchKind, searchTable } from './searchTables.ts'
import { folded } from './searchText.ts'

/** Rows of these facets may be in the list. All groups of a search together, each row in one at most. */
export interface FacetGroup {
  facets: number[]
  /** How many rows have them. */
  total: number
  /** Only certificates that have not ended yet, or only ended ones. */
  time: 'any' | 'live' | 'ended'
  /** Only rows of these requesters (search_requesters.id); absent: of any. */
  requesters?: number[]
}

export interface Admitted {
  groups: FacetGroup[]
  /** Whether the groups are all rows that there are, so that no condition is needed. */
  everything: boolean
}

/** Milliseconds for the query over all requesters. */
const WITHIN = 1_000

interface Stored {
  id: number
  total: number
  facet: SearchFacet
}

/**
 * Which rows a requester may see and the conditions on facets admit. Whom a right, a rule's step or the organization lets read is decided
 * for each facet by requestReader.ts; what he asked for himself by requester. Throws Failure('forbidden').
 */
export async function admittedFacets(
  db: Database,
  requester: Requester,
  search: { kind: SearchKind; conditions: readonly Condition[]; archived: boolean; now: number },
): Promise<Admitted> {
  const { kind, conditions, archived, now } = search
  const reader = await readerOf(db, requester, new Date(now))
  const stored = await storedFacets(db, kind)
  const names = await namesOf(db, stored)
  const pending: { group: Pick<FacetGroup, 'time' | 'requesters'>; of: Stored[] }[] = []
  for (const { of, requesters } of await visible(db, { kind, reader, requester, stored })) {
    for (const time of ['any', 'live', 'ended'] as const) {
      const fitting = of.filter(({ facet }) => {
        if (facet.deleted || (facet.archived && !archived)) return false
        return timeOf(kind, facet, { conditions, names }) === time
      })
      if (fitting.length > 0) pending.push({ group: { time, ...(requesters ? { requesters } : {}) }, of: fitting })
    }
  }
  const groups = pending.map(({ group, of }) => ({
    ...group,
    facets: of.map(({ id }) => id),
    total: of.reduce((sum, { total }) => sum + total, 0),
  }))
  const [only] = groups
  const everything = reader.sees === 'all' && only?.time === 'any' && only.facets.length === stored.length
  return { groups, everything }
}

async function storedFacets(db: Database, kind: SearchKind): Promise<Stored[]> {
  const rows = await withTables<AllTables>(db)
    .selectFrom('search_facets')
    .select(['id', 'key', 'total'])
    .where('kind', '=', kind)
    .where('total', '>', 0)
    .execute()
  return rows.map(({ id, key, total }) => ({ id, total, facet: JSON.parse(key) as SearchFacet }))
}

async function namesOf(db: Database, stored: Stored[]): Promise<FacetNames> {
  const tables = withTables<AllTables>(db)
  // A list in SQL is never empty.
  const ids = (of: (facet: SearchFacet) => number[]) => [...new Set([0, ...stored.flatMap(({ facet }) => of(facet))])]
  const authorities = await tables.selectFrom('authorities').select(['id', 'name']).execute()
  const profiles = await tables.selectFrom('ra_profiles').select(['id', 'name']).execute()
  const users = await tables
    .selectFrom('users')
    .select(['id', 'name'])
    .where(
      'id',
      'in',
      ids(({ owner }) => (owner === undefined ? [] : [owner])),
    )
    .execute()
  const groups = await tables
    .selectFrom('groups')
    .select(['id', 'name'])
    .where(
      'id',
      'in',
      ids(({ groups = [] }) => groups),
    )
    .execute()
  const map = (rows: { id: number; name: string }[]) => new Map(rows.map(({ id, name }) => [id, name]))
  return { authorities: map(authorities), profiles: map(profiles), users: map(users), groups: map(groups) }
}

/** Whether all conditions on facets hold: always, or for a certificate only before or after its end. */
function timeOf(
  kind: SearchKind,
  facet: SearchFacet,
  { conditions, names }: { conditions: readonly Condition[]; names: FacetNames },
): FacetGroup['time'] | undefined {
  const holds = (shown: SearchFacet) =>
    conditions.every((condition) => {
      if (condition.field.at !== 'facet') return true
      const value = condition.field.of(shown, names)
      return holdsFor(condition, value === null ? [] : [value].flat().map(folded)) !== condition.negated
    })
  const now = holds(facet)
  if (kind !== 'certificate' || facet.status !== 'issued') return now ? 'any' : undefined
  const afterwards = holds({ ...facet, status: 'expired' })
  if (now && afterwards) return 'any'
  return now ? 'live' : afterwards ? 'ended' : undefined
}

/** Whether a condition, taken positively, holds for one of these texts (folded). */
export function holdsFor(condition: Condition, texts: readonly string[]): boolean {
  switch (condition.test) {
    case 'empty':
      return texts.length === 0
    case 'matches':
      return texts.some(condition.expression)
    case 'equals':
      return texts.some((text) => condition.texts.includes(text))
    case 'contains':
      return texts.some((text) => condition.texts.some((part) => text.includes(part)))
    case 'startsWith':
      return texts.some((text) => condition.texts.some((part) => text.startsWith(part)))
    case 'endsWith':
      return texts.some((text) => condition.texts.some((part) => text.endsWith(part)))
    case 'among':
    case 'between':
      return false
  }
}

interface Looking {
  kind: SearchKind
  reader: Reader
  requester: Requester
  stored: Stored[]
}

/** Facets of which he sees all rows, and those of which he sees only the rows of some requesters. */
async function visible(
  db: Database,
  { kind, reader, requester, stored }: Looking,
): Promise<{ of: Stored[]; requesters?: number[] }[]> {
  if (reader.sees === 'all') return [{ of: stored }]
  if (reader.sees === 'own') {
    const requesters = await owned(db, reader.requesterKey)
    return requesters.length === 0 ? [] : [{ of: stored, requesters }]
  }
  const here = stored.filter(({ facet }) => facet.organization === reader.organizationId)
  const readable = await sampled(db, kind, here)
  const sees = async (as: Pick<Readable, 'requester' | 'requester_key'>) => {
    const ids = await reader.may(
      kind === 'revoke' ? 'revoke' : 'sign',
      readable.map(({ row }) => ({ ...row, ...as })),
    )
    return new Set(readable.filter(({ row }) => ids.has(row.id)).map(({ facet }) => facet))
  }
  const nobody = JSON.stringify({ people: [] })
  const anybody = await sees({ requester: nobody, requester_key: '' })
  if (anybody.size === here.length) return [{ of: here }]
  const rest = here.filter((one) => !anybody.has(one))
  const key = requesterKey(requester)
  const [person] = requester.people
  const his = await sees({ requester: nobody, requester_key: key })
  const asPerson = await sees({ requester: JSON.stringify({ people: [person] }), requester_key: '' })
  return [
    { of: here.filter((one) => anybody.has(one)) },
    { of: rest.filter((one) => his.has(one)), requesters: await owned(db, key) },
    { of: rest.filter((one) => asPerson.has(one)), requesters: await behind(db, person, key) },
  ].filter(({ of, requesters }) => of.length > 0 && requesters?.length !== 0)
}

/** Each facet with one row that has it: rows of one facet are alike to whoever has the same part in them. */
async function sampled(db: Database, kind: SearchKind, stored: Stored[]): Promise<{ facet: Stored; row: Readable }[]> {
  const table = searchTable[kind]
  const tables = withTables<AllTables>(db)
  const samples: { facet: Stored; row: Readable }[] = []
  for (const facet of stored) {
    const found = await tables
      .selectFrom(table)
      .select((eb) => eb.fn.max<number | null>('id').as('id'))
      .where('facet_id', '=', facet.id)
      .executeTakeFirst()
    const { authority, profile } = facet.facet
    const place = { authority_id: authority, profile_id: profile }
    if (typeof found?.id === 'number')
      samples.push({ facet, row: { id: found.id, ...place, requester: '', requester_key: '' } })
  }
  return samples
}

async function owned(db: Database, key: string): Promise<number[]> {
  const query = withTables<AllTables>(db).selectFrom('search_requesters').select('id').where('requester_key', '=', key)
  return (await query.execute()).map(({ id }) => id)
}

/** Those behind whom he stands as a person, but for himself. */
async function behind(db: Database, person: number | undefined, key: string): Promise<number[]> {
  if (person === undefined) return []
  const query = withTables<AllTables>(db)
    .selectFrom('search_requesters')
    .select(['id', 'people'])
    .where('requester_key', '<>', key)
    .where('people', 'like', `%${person}%`)
  const rows = await readApart(db, query, WITHIN)
  return rows.filter(({ people }) => (JSON.parse(people) as number[]).includes(person)).map(({ id }) => id)
}
