import type { Generated } from 'kysely'

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
