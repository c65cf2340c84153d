import type { OidcReach } from './oidcFetch.ts'

/** An OpenID provider whose people log in here, and whose programs show its tokens. */
export interface OidcSettings {
  /** As its metadata and tokens name it. */
  issuer: string
  clientId: string
  /** Absent: a public client. */
  clientSecret?: string
  /** Where the provider sends people back to, registered there. */
  redirectUri: string
  /** `openid` and what else brings the claims below. */
  scopes: readonly string[]
  /** What the `aud` of access tokens must have; absent: none is taken. */
  audience?: string
  /** Values of the header `typ` of access tokens, in lower case. */
  tokenTypes: readonly string[]
  /** The claim with the name of a user who is made at his first login. */
  nameClaim: string
  /** Claims with texts or lists of texts. */
  rolesClaim?: string
  organizationClaim?: string
  /** What of those claims means which role here. Roles that stand here are given and taken at each login; others are left alone. */
  roles: Readonly<Record<string, string>>
  /** What of the claim means which organization here, for users who are made. */
  organizations: Readonly<Record<string, string>>
  /** Absent: nobody is made at login; administrators link users. */
  provision?: { organization?: string; roles: readonly string[] }
  /** Where the endpoints may be that its metadata name. Absent: anywhere. */
  reach?: OidcReach
}
