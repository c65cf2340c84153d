import type { SearchFacet, SearchKind } from './searchTables.ts'

/** Names of what a facet has ids of. */
export interface FacetNames {
  users: ReadonlyMap<number, string>
  groups: ReadonlyMap<number, string>
  authorities: ReadonlyMap<number, string>
  profiles: ReadonlyMap<number, string>
}

/** A field that a search may name. */
export type Field = { name: string } /** Decided once for each facet, from what it stands for. */ & (
  | { type: 'text'; at: 'facet'; of: (facet: SearchFacet, names: FacetNames) => string | string[] | null }
  /** In a column of the search table, between line feeds (searchTables.ts). */
  | { type: 'text'; at: 'row'; column: 'subject' | 'common_name' | 'names' }
  | { type: 'text'; at: 'requester' }
  /** In the certificate itself, indexed there. */
  | { type: 'text'; at: 'certificate'; column: 'serial' | 'fingerprint' }
  | { type: 'time' | 'duration'; at: 'column'; column: string; indexed?: Indexed }
)

/** What an index has: every value, or those from a number on (migrations/0020-search.ts). Without one there are the blocks (searchTables.ts). */
type Indexed = 'every' | { from: number }

type FieldOf<At extends Field['at']> = Extract<Field, { at: At }>
type Unnamed<F> = F extends unknown ? Omit<F, 'name'> : never

const facet = (of: FieldOf<'facet'>['of']): Unnamed<Field> => ({ type: 'text', at: 'facet', of })
const row = (column: FieldOf<'row'>['column']): Unnamed<Field> => ({ type: 'text', at: 'row', column })
const time = (column: string, indexed?: Indexed): Unnamed<Field> => ({
  type: 'time',
  at: 'column',
  column,
  ...(indexed ? { indexed } : {}),
})

const common: Record<string, Unnamed<Field>> = {
  subject: row('subject'),
  commonName: row('common_name'),
  names: row('names'),
  status: facet(({ status }) => status),
  issuer: facet(({ authority }, { authorities }) => authorities.get(authority) ?? null),
  profile: facet(({ profile }, { profiles }) => (profile === null ? null : (profiles.get(profile) ?? null))),
  protocol: facet(({ protocol }) => protocol),
  reason: facet(({ reason }) => reason),
  requester: { type: 'text', at: 'requester' },
  createdAt: time('created_at'),
}

const ending: Record<string, Unnamed<Field>> = {
  endedAt: time('ended_at'),
  expiresAt: time('expires_at'),
  duration: { type: 'duration', at: 'column', column: 'duration', indexed: { from: 10_000 } },
}

/** Of certificates, and of orders of which one may come. */
const belonging: Record<string, Unnamed<Field>> = {
  owner: facet(({ owner }, { users }) => (owner === undefined ? null : (users.get(owner) ?? null))),
  groups: facet(({ groups: of = [] }, { groups }) => of.flatMap((id) => groups.get(id) ?? [])),
}

const fields: Record<SearchKind, Record<string, Unnamed<Field>>> = {
  certificate: {
    ...common,
    ...belonging,
    source: facet(({ source }) => source ?? null),
    keyAlgorithm: facet(({ keyAlgorithm }) => keyAlgorithm ?? null),
    serial: { type: 'text', at: 'certificate', column: 'serial' },
    fingerprint: { type: 'text', at: 'certificate', column: 'fingerprint' },
    notBefore: time('not_before'),
    notAfter: time('not_after', 'every'),
    revokedAt: time('revoked_at', 'every'),
  },
  sign: { ...common, ...belonging, ...ending, action: facet(({ action }) => action ?? null) },
  revoke: { ...common, ...ending },
}

const named = (table: Record<string, Unnamed<Field>>): ReadonlyMap<string, Field> =>
  new Map(Object.entries(table).map(([name, field]) => [name, { name, ...field } as Field]))

const tables: Record<SearchKind, ReadonlyMap<string, Field>> = {
  certificate: named(fields.certificate),
  sign: named(fields.sign),
  revoke: named(fields.revoke),
}

/** The fields that a search of this kind may name. */
export function fieldsOf(kind: SearchKind): ReadonlyMap<string, Field> {
  return tables[kind]
}
