import type { NameConstraints } from '../pki/nameConstraints.ts'
import type { RememberedApprovalView } from './approval/rememberedAdmin.ts'
import type { AlertView } from './audit/alertAdmin.ts'
import type { AuditHead } from './audit/seal.ts'
import type { AuditReport } from './audit/verify.ts'
import type { AuthorityClaim } from './authority/authorityAdmin.ts'
import type { AuthorityDrafts } from './authority/authorityDraft.ts'
import type { RolloverAdmin } from './authority/rolloverAdmin.ts'
import type { UpstreamView } from './authority/upstreamAccount.ts'
import type { CertificateRef } from './certificate.ts'
import type { ChallengeAdmin } from './enrolment/challengeAdmin.ts'
import type { CredentialKind } from './enrolment/credential.ts'
import type { CredentialDraft, CredentialView } from './enrolment/credentialAdmin.ts'
import type { Capability } from './identity/capability.ts'
import type { OrganizationView } from './identity/organizationAdmin.ts'
import type { BlockedKeyView } from './key/blockedKeyAdmin.ts'
import type { ServerKeyAdmin } from './key/serverKeyExport.ts'
import type { KeySpec } from './key.ts'
import type { ScopeDraft, TokenView } from './login/tokenView.ts'
import type { ApprovalRules } from './profile/rule.ts'
import type { RevocationAdmin } from './revocation/revocationAdmin.ts'
import type { UpstreamAdmin } from './upstream/upstreamAdmin.ts'

/** What stands for an authority in lists and details. */
export interface AuthorityView {
  id: number
  name: string
  uuid: string
  kind: string
  organization: string
  owner: string | null
  enabled: boolean
  subject: string | null
  serial: string | null
  notAfter: Date | null
  /** SHA-256 of the active certificate, lower-case hex. */
  fingerprint: string | null
  keyAlgorithm: string | null
  crlUrl: string | null
  ocspUrl: string | null
  settings: unknown
  /** Of the kind acme: the CA that signs for it. */
  upstream?: UpstreamView
}

/** Another way up from an authority's certificate. */
export interface ChainView {
  id: number
  /** RFC 4514 text; the certificate that stands for the authority's own first. */
  subjects: string[]
  /** Who issued the last of them: what clients choose a chain by. */
  topIssuer: string
  /** The first end of one of them. */
  notAfter: Date
}

/** When certificates are to be renewed, set by hand. Null: any. */
export interface RenewalWindowView {
  id: number
  organization: string | null
  authority: string | null
  profile: string | null
  serial: string | null
  /** Certificates issued before this. */
  issuedBefore: Date
  start: Date
  end: Date
  explanationUrl: string | null
  createdAt: Date
}

export interface ProfileView {
  name: string
  uuid: string
  authority: string
  organization: string
  enabled: boolean
  version: number
  /** As written. */
  settings: unknown
  protocols: Record<string, unknown>
  rules: ApprovalRules
}

/** A new authority of ours: self-signed without `parent`, else signed by that authority over the ordinary road. */
export interface NewAuthority {
  name: string
  organization?: string
  owner?: string
  key: KeySpec
  /** RFC 4514 text. */
  subject: string
  parent?: string
  /** Milliseconds. */
  validity: number
  pathLength?: number
  nameConstraints?: NameConstraints
}

export interface UserView {
  id: number
  name: string
  uuid: string
  organization: string
  superuser: boolean
  admin: boolean
  enabled: boolean
  roles: string[]
  grants: GrantView[]
  hasPassword: boolean
  createdAt: Date
}

/** A capability of a user, his own or by a role. Null: every authority, every profile, his own. */
export interface GrantView {
  capability: Capability
  authority: string | null
  profile: string | null
  role: string | null
}

/** To a user or to a role; `organization` says whose role where it is not the requester's own. */
export interface GrantDraft {
  user?: string
  role?: string
  organization?: string
  capability: Capability
  authority?: string
  profile?: string
}

/** Which bucket of a limit; see limit.ts. */
export interface LimitRef {
  profile: string
  limit: string
  key: string
}

export interface LimitFilter {
  profile?: string
  limit?: string
  /** A part of the key. */
  key?: string
}

export interface OverrideDraft extends LimitRef {
  /** `rate`: 3000/3h, unlimited or blocked. Without `until`, it counts until it is removed. */
  override: { rate: string; until?: Date; note?: string }
}

export interface LimitView extends LimitRef {
  /** The rate that was applied last, or the override. */
  rate: string
  /** How many of it are used. */
  used: number
  /** When all of it will have come back. */
  freeAt: Date | null
  overridden: boolean
  /** Null: no end. */
  until: Date | null
  note: string | null
}

/** Changes that administrators make. Each authorises: a superuser, or an administrator of the organization, or `manage` where it says so. */
export interface Admin
  extends AuthorityDrafts,
    RevocationAdmin,
    ChallengeAdmin,
    RolloverAdmin,
    ServerKeyAdmin,
    UpstreamAdmin {
  authorities(): Promise<AuthorityView[]>
  authority(name: string): Promise<AuthorityView & { chain: Buffer[] }>
  /** `claim`: what is stored with it, or not at all. */
  createAuthority(draft: NewAuthority, claim?: AuthorityClaim): Promise<AuthorityView>
  /** An existing CA with its key (PEM text or PKCS#12), and its last CRL or the number of that: ours go on from there. */
  importAuthority(draft: {
    name: string
    organization?: string
    owner?: string
    pem?: string
    pkcs12?: Buffer
    passphrase?: string
    crl?: Buffer
    crlNumber?: bigint
  }): Promise<AuthorityView & { warnings: string[] }>
  /** An authority that signs elsewhere: its certificate, then its chain, as PEM. */
  addManualAuthority(draft: {
    name: string
    organization?: string
    owner?: string
    pem: string
  }): Promise<AuthorityView>
  changeAuthority(
    name: string,
    change: { enabled?: boolean; owner?: string; settings?: unknown },
  ): Promise<AuthorityView>

  /** Chains beside its own, oldest first. */
  chains(authority: string): Promise<ChainView[]>
  /**
   * PEM of a certificate for the authority's subject and key that another one signed, then that one's issuers. Clients
   * may choose it from then on. Throws malformed for what does not fit, conflict for a chain that it has.
   */
  addChain(authority: string, pem: string): Promise<ChainView[]>
  removeChain(authority: string, chain: number): Promise<ChainView[]>

  /** The newest first. Of windows that fit one certificate the newest counts. */
  renewalWindows(): Promise<RenewalWindowView[]>
  /**
   * Moves the renewal window (RFC 9773) of the certificates of a profile, an authority, or both; of those named; or of
   * all. Certificates issued later, as the renewed ones are, keep theirs. Needs manage there; `all` an administrator.
   */
  setRenewalWindow(draft: {
    profile?: string
    authority?: string
    certificates?: CertificateRef[]
    all?: boolean
    /** With `all`; absent: the administrator's own, a superuser's every one. */
    organization?: string
    /** Absent: now. */
    issuedBefore?: Date
    start: Date
    end: Date
    explanationUrl?: string
  }): Promise<RenewalWindowView[]>
  removeRenewalWindow(id: number): Promise<void>
  profiles(): Promise<ProfileView[]>
  profile(name: string): Promise<ProfileView>
  /** Creates, or replaces all of it. Protocol options are checked by the adapters' own schemas. */
  saveProfile(draft: {
    name: string
    authority: string
    organization?: string
    enabled?: boolean
    settings: unknown
    protocols: Record<string, unknown>
    rules: unknown
    /** Sentences about rules that are allowed and yet hardly meant. */
  }): Promise<ProfileView & { warnings: string[] }>

  users(): Promise<UserView[]>
  createUser(draft: { name: string; organization?: string; superuser?: boolean; admin?: boolean }): Promise<UserView>
  changeUser(name: string, change: { enabled?: boolean; admin?: boolean; superuser?: boolean }): Promise<UserView>
  /** One-time secret with which its user sets his first or a new password. */
  createSetupLink(user: string): Promise<{ secret: string; expiresAt: Date }>
  addToRole(user: string, role: string): Promise<void>
  removeFromRole(user: string, role: string): Promise<void>
  grant(draft: GrantDraft): Promise<void>
  /** Takes back every such grant, whatever its authority or profile unless these are named. Answers how many there were. */
  ungrant(draft: GrantDraft): Promise<number>
  /** Text of a new token: shown once, only its hash is kept. A user makes his own; an administrator makes none for others. */
  createToken(draft: {
    user: string
    name: string
    expiresAt?: Date
    scope?: ScopeDraft
  }): Promise<{ text: string; view: TokenView }>
  tokens(user?: string): Promise<TokenView[]>
  revokeToken(uuid: string): Promise<void>

  /** `secret`: in base64url, shown once. Its maker, a user, approves nothing that is asked with it. */
  createCredential(draft: CredentialDraft): Promise<{ secret: string; view: CredentialView }>
  /** Those of the profiles that the requester manages, newest first. */
  credentials(filter?: { profile?: string; kind?: CredentialKind }): Promise<CredentialView[]>
  /** Nobody enrols with it any more, and who did orders nothing more. */
  revokeCredential(uuid: string): Promise<void>

  /** What is used or overridden in the profiles that the requester manages, at most 200, the most used first. */
  limits(filter?: LimitFilter): Promise<LimitView[]>
  /** Another rate for one key, which begins with nothing used. Needs manage on the profile, as all of these. */
  overrideLimit(draft: OverrideDraft): Promise<LimitView>
  /** The profile's rate counts again, with nothing used. */
  removeOverride(ref: LimitRef): Promise<void>
  /** Nothing is used of a key's limits, of one or of all, and none is blocked; overrides with a rate stay. Answers how many there were. Throws notFound for none. */
  resetLimit(ref: { profile: string; limit?: string; key: string }): Promise<number>

  /** Approvals that still let orders pass unasked, of the profiles that the requester manages, the newest first, at most 1000. */
  rememberedApprovals(): Promise<RememberedApprovalView[]>
  /** From now on such an order asks people again. Needs manage on the profile. */
  forgetApproval(id: number): Promise<void>

  /** Keys for which nothing is issued, the newest first, at most 1000. Needs a superuser, as all of these. */
  blockedKeys(): Promise<BlockedKeyView[]>
  /** `spkiSha256`: SHA-256 of the SubjectPublicKeyInfo, hex. Throws conflict for one that is blocked already. */
  blockKey(draft: { spkiSha256: string; reason: string }): Promise<BlockedKeyView>
  /** Throws notFound. */
  unblockKey(spkiSha256: string): Promise<void>

  /** The requester's own; all for a superuser. */
  organizations(): Promise<OrganizationView[]>
  /** Needs a superuser. */
  createOrganization(name: string): Promise<OrganizationView>

  alerts(): Promise<AlertView[]>
  closeAlert(id: number): Promise<void>
  /** `earlier`: a head that was printed or logged before, which the chain must still hold. Needs a superuser. */
  verifyAudit(earlier?: AuditHead): Promise<AuditReport>
}
