import type { Generated } from 'kysely'
import type { CoreTables } from '../tables.ts'

/** What lists are searched by, derived from the requests and certificates and made again from them at any time (searchFollow.ts). */
export interface SearchTables {
  /** What has changed since it was last looked at; written by triggers in the transaction of the change. `certificate` and `sign` mean both. */
  search_queue: { id: Generated<number>; kind: SearchKind; ref: number }
  search_facets: SearchFacetsTable
  search_counts: SearchCountsTable
  search_blocks: SearchBlocksTable
  search_requesters: SearchRequestersTable
  search_certificates: SearchRowsTable & { not_before: number; not_after: number; revoked_at: number | null }
  search_sign_requests: SearchRowsTable & EndingColumns
  search_revoke_requests: SearchRowsTable & EndingColumns
}

export type SearchKind = 'certificate' | 'sign' | 'revoke'

export type AllTables = CoreTables & SearchTables

/** Each combination of what has few values (SearchFacet), with how many rows have it. */
interface SearchFacetsTable {
  id: Generated<number>
  kind: SearchKind
  /** JSON of SearchFacet. */
  key: string
  total: number
}

/** Of those rows, how many have an id from bucket * BUCKET on: which page begins where. */
interface SearchCountsTable {
  facet_id: number
  bucket: number
  n: number
}

export const BUCKET = 4096

/** Of rows with an id from bucket * BUCKET on: between which numbers a column is, where it has any. Never narrowed, so that there may be less. */
interface SearchBlocksTable {
  kind: SearchKind
  /** A column of the search table. */
  field: string
  bucket: number
  least: number
  most: number
}

interface SearchRequestersTable {
  id: Generated<number>
  /** JSON of the other columns. */
  key: string
  requester_key: string
  /** As texts below. */
  name: string
  /** JSON of user ids. */
  people: string
}

/** Texts are in lower case, between line feeds, several behind each other: '\na\nb\n'; none is ''. */
interface SearchRowsTable {
  /** Of the request or certificate. */
  id: number
  facet_id: number
  requester_id: number
  subject: string
  common_name: string
  names: string
  created_at: number
}

interface EndingColumns {
  ended_at: number | null
  expires_at: number | null
  /** Milliseconds from the order to its end. */
  duration: number | null
}

export const searchTable = {
  certificate: 'search_certificates',
  sign: 'search_sign_requests',
  revoke: 'search_revoke_requests',
} as const satisfies Record<SearchKind, keyof SearchTables>

/** What a row has of which there are few combinations: any filter over these, and who may read, is decided once for each of them. */
export interface SearchFacet {
  organization: number
  authority: number
  profile: number | null
  /** As stored: a certificate's `expired` derives from its end. */
  status: string
  protocol: string
  /** Of a certificate: managed, uploaded. */
  source?: string
  keyAlgorithm?: string
  /** Of a request to sign. */
  action?: string
  /** RFC 5280 reason name. */
  reason: string | null
  /** users.id */
  owner?: number
  /** groups.id, in order. */
  groups?: number[]
  /** Hidden unless a search asks for archived ones too. */
  archived?: boolean
  /** Shown nowhere. */
  deleted?: boolean
  /** Whom the newest decision asks: ApprovalStep[], absent when nobody. */
  steps?: unknown[]
}
