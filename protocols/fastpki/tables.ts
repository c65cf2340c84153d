import type { Generated } from 'kysely'

/** Columns of this protocol's tables. Times are epoch milliseconds. */
export interface FastpkiTables {
  fastpki_token_families: FamiliesTable
  fastpki_refresh_tokens: RefreshTokensTable
  fastpki_sign_ins: SignInsTable
  fastpki_emails: EmailsTable
  fastpki_organizations: OrganizationsTable
  fastpki_authorities: AuthoritiesTable
  fastpki_order_keys: OrderKeysTable
}

/** All tokens that came of one log-in. */
interface FamiliesTable {
  id: Generated<number>
  uuid: string
  user_id: number
  /** The secret of the session that they stand for, sealed. */
  session: Buffer
  /** When its newest refresh token ends. */
  ends_at: number
  /** Logged out, or a refresh token came twice. */
  ended_at: number | null
}

interface RefreshTokensTable {
  /** SHA-256 in hex. */
  hash: string
  family_id: number
  ends_at: number
  used_at: number | null
}

/** How often a network asked for tokens. */
interface SignInsTable {
  network: string
  /** When all that was taken has come back. */
  free_at: number
}

interface EmailsTable {
  username: string
  /** Lower case. */
  email: string
  updated_at: number
}

interface OrganizationsTable {
  organization_id: number
  description: string | null
  updated_at: number
}

/** What was ordered with an Idempotency-Key; and names of authorities that are being made. */
interface OrderKeysTable {
  /** Of its caller and the key; of its organization and the name. */
  ref: string
  /** SHA-256 of the order; who makes it. */
  said: string
  created_at: number
}

/** What was said of an authority that was made here. */
interface AuthoritiesTable {
  authority_id: number
  organization_id: number
  /** As it was given; the core knows it by a name that stands in URLs. */
  name: string
  description: string | null
  allow_leaf_certs: number
  created_by: number | null
  created_at: number
  updated_at: number
  deleted_at: number | null
}
