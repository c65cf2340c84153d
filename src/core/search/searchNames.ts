import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/tables.ts'
import { canonicalJson } from '../canonicalJson.ts'
import type { Requester } from '../requester.ts'
import type { Asked, SearchDocument } from './searchDocument.ts'
import type { AllTables, SearchKind } from './searchTables.ts'
import { lines } from './searchText.ts'

/** The ids of facets and requesters that were met before, by what tells them apart. They are never deleted. */
export type Met = Map<string, number>

const MOST_MET = 20_000
const met = new WeakMap<Database, Met>()

export function metIn(db: Database): Met {
  const known = met.get(db) ?? new Map<string, number>()
  if (known.size > MOST_MET) known.clear()
  met.set(db, known)
  return known
}

const facetName = (kind: SearchKind, { facet }: SearchDocument): string => `${kind} ${JSON.stringify(facet)}`
const requesterName = ({ requester, requester_key }: Asked): string => `${requester_key} ${requester}`

const facetOf = statement((tables: Kysely<AllTables>, kind: SearchKind, key: string) =>
  tables.selectFrom('search_facets').select('id').where('kind', '=', kind).where('key', '=', key),
)
const addFacet = statement((tables: Kysely<AllTables>, kind: SearchKind, key: string) =>
  tables
    .insertInto('search_facets')
    .values({ kind, key, total: sql.lit(0) })
    .returning('id'),
)
const requesterOf = statement((tables: Kysely<AllTables>, key: string) =>
  tables.selectFrom('search_requesters').select('id').where('key', '=', key),
)
interface RequesterRow {
  readonly key: string
  readonly requester_key: string
  readonly name: string
  readonly people: string
  readonly [column: string]: string
}
const addRequester = statement((tables: Kysely<AllTables>, row: RequesterRow) =>
  tables.insertInto('search_requesters').values(row).returning('id'),
)

/** The ids of a document's facet and requester; those that nobody met yet are added to `here`, new ones are stored. Only within takeBatch's lock. */
export async function meet(
  db: Database,
  kind: SearchKind,
  document: SearchDocument,
  { known, here }: { known: Met; here: Met },
): Promise<[facet: number, requester: number]> {
  const name = facetName(kind, document)
  let facet = known.get(name) ?? here.get(name)
  if (facet === undefined) {
    const key = canonicalJson(document.facet)
    const { rows } = await facetOf(db, kind, key)
    facet = (rows[0] ?? (await addFacet(db, kind, key)).rows[0])?.id as number
    here.set(name, facet)
  }
  const asked = requesterName(document.requester)
  let requester = known.get(asked) ?? here.get(asked)
  if (requester === undefined) {
    requester = await requesterId(db, document.requester)
    here.set(asked, requester)
  }
  return [facet, requester]
}

async function requesterId(db: Database, { requester, requester_key }: Asked): Promise<number> {
  const { name, people }: Requester = JSON.parse(requester)
  const key = JSON.stringify([requester_key, name, people])
  const { rows } = await requesterOf(db, key)
  if (rows[0]) return rows[0].id
  const row = { key, requester_key, name: lines([name]), people: JSON.stringify(people) }
  return (await addRequester(db, row)).rows[0]?.id as number
}
