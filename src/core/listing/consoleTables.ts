import type { Generated } from 'kysely'

/** What people need who look at the installation and act by hand. */
export interface ConsoleTables {
  revocation_codes: RevocationCodesTable
  certificate_views: CertificateViewsTable
  saved_views: SavedViewsTable
  order_counts: OrderCountsTable
}

/** The code that somebody types before he revokes (revocationCode.ts). */
interface RevocationCodesTable {
  id: Generated<number>
  user_id: number
  /** SHA-256 of his session's secret; empty without a session. */
  session: string
  certificate_id: number
  /** HMAC-SHA-256 over whose and what for it is, and its digits. */
  hash: string
  /** How often it was tried. */
  tries: Generated<number>
  /** What took it: a number of its own for each revocation. Null: nothing has. */
  spent: string | null
  expires_at: number
}

/** When somebody last opened a certificate, as the audit trail tells it. */
interface CertificateViewsTable {
  user_id: number
  certificate_id: number
  seen_at: number
}

interface SavedViewsTable {
  id: Generated<number>
  uuid: string
  user_id: number
  /** SavedList. */
  list: string
  name: string
  /** JSON, as the list takes it. */
  filter: string
  created_at: number
}

/** How many orders came to an end on a day (orderCounts.ts), folded from the audit trail. */
interface OrderCountsTable {
  organization_id: number
  /** Days since 1970-01-01 UTC. */
  day: number
  authority_id: number
  profile_id: number
  protocol: string
  /** SignStatus. */
  status: string
  n: number
}
