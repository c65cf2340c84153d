import type { Generated } from 'kysely'

export interface UsersTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  /** Lower case; unique over the installation. */
  name: string
  password_hash: string | null
  superuser: number
  admin: number
  enabled: number
  created_at: number
  /** He is disabled for good: the row stays for the records that name him. */
  removed_at: Generated<number | null>
}

export interface CapabilitiesTable {
  id: Generated<number>
  user_id: number | null
  role_id: number | null
  /** Null: every authority of the organization. */
  authority_id: number | null
  profile_id: number | null
  capability: string
}

export interface TokensTable {
  id: Generated<number>
  uuid: string
  user_id: number
  name: string
  /** SHA-256 of the token's text. */
  hash: string
  created_at: number
  expires_at: number | null
  revoked_at: number | null
  /** JSON of TokenScope; null: all that its user may. */
  scope: string | null
  /** Written at most once a minute. */
  used_at: Generated<number | null>
  /** Id of the token that it was made with; null: made by its user's session or password, or before this was kept. */
  made_with: Generated<number | null>
}

/** An open session; the row goes when it ends. */
export interface SessionsTable {
  id: Generated<number>
  uuid: string
  /** SHA-256 of the secret's text. */
  hash: string
  user_id: number
  /** How it was opened: password, oidc. */
  method: string
  source: string | null
  user_agent: string | null
  created_at: number
  /** Written at most once a minute. */
  seen_at: number
  /** Milliseconds without a request after which it ends. */
  idle: number
  ends_at: number
}

/** Who a subject of an OpenID provider is here. */
export interface UserIdentitiesTable {
  id: Generated<number>
  uuid: string
  user_id: number
  issuer: string
  subject: string
  created_at: number
}

/** Whose certificate logs in as whom: one certificate by its fingerprint, or all of a subject under an authority. */
export interface UserCertificatesTable {
  id: Generated<number>
  uuid: string
  user_id: number
  fingerprint: string | null
  authority_id: number | null
  /** RFC 4514 text, as certificates.subject. */
  subject: string | null
  created_at: number
}

/** Failed logins in a row (loginGuard.ts). */
export interface LoginFailuresTable {
  key: string
  failures: number
  last_at: number
}
