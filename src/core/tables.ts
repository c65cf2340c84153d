import type { Generated } from 'kysely'
import type { DelegationsTable, GroupsTable, StandingApprovalsTable } from './approval/approvalTables.ts'
import type { AuthorityDraftsTable } from './authority/authorityDraftTable.ts'
import type { RolloversTable } from './authority/rolloverTable.ts'
import type {
  CrlHandoversTable,
  CrlPartsTable,
  CrlsTable,
  DeltaCrlsTable,
  ImportedRevocationsTable,
  RevocationEventsTable,
} from './crl/crlTables.ts'
import type { DiscoveryTables } from './discovery/discoveryTables.ts'
import type { ChallengesTable, ChallengeUsesTable } from './enrolment/challengeTables.ts'
import type {
  CapabilitiesTable,
  LoginFailuresTable,
  SessionsTable,
  TokensTable,
  UserCertificatesTable,
  UserIdentitiesTable,
  UsersTable,
} from './identity/identityTables.ts'
import type { InventoryTables } from './inventory/inventoryTables.ts'
import type { AskedOrdersTable } from './issuance/askedTable.ts'
import type { KeyPairTables } from './key/keyPairTables.ts'
import type { ServerKeysTable } from './key/serverKeyTable.ts'
import type { ConsoleTables } from './listing/consoleTables.ts'
import type {
  ApprovalPlansTable,
  ApprovalPlanVersionsTable,
  OptionSetsTable,
  OptionSetUsesTable,
} from './profile/raTables.ts'
import type {
  AlertsTable,
  AuditEventsTable,
  AuditSealsTable,
  CertificatesTable,
  CommentsTable,
  DecisionsTable,
  JobsTable,
  RememberedApprovalsTable,
  RevokeRequestsTable,
  SignAttemptsTable,
  SignRequestsTable,
  VotesTable,
} from './request/requestTables.ts'
import type { UpstreamAccountsTable, UpstreamProofsTable, UpstreamWorkTable } from './upstream/upstreamTables.ts'
import type { WebhookTables } from './webhook/webhookTables.ts'

/** Columns of the core's tables. Times are epoch milliseconds, flags 0 or 1, serials and hashes lower-case hex, JSON is text. */
export interface CoreTables extends ConsoleTables, DiscoveryTables, InventoryTables, KeyPairTables, WebhookTables {
  settings: { name: string; value: string }
  organizations: { id: Generated<number>; uuid: string; name: string; created_at: number }
  users: UsersTable
  roles: { id: Generated<number>; uuid: string; organization_id: number; name: string }
  role_members: { role_id: number; user_id: number }
  capabilities: CapabilitiesTable
  tokens: TokensTable
  sessions: SessionsTable
  user_identities: UserIdentitiesTable
  user_certificates: UserCertificatesTable
  login_failures: LoginFailuresTable
  setup_links: { id: Generated<number>; user_id: number; hash: string; expires_at: number; used_at: number | null }
  credentials: CredentialsTable
  challenges: ChallengesTable
  challenge_uses: ChallengeUsesTable
  sealed_keys: SealedKeysTable
  server_keys: ServerKeysTable
  authorities: AuthoritiesTable
  authority_certificates: AuthorityCertificatesTable
  authority_chains: AuthorityChainsTable
  upstream_accounts: UpstreamAccountsTable
  upstream_work: UpstreamWorkTable
  upstream_proofs: UpstreamProofsTable
  authority_drafts: AuthorityDraftsTable
  authority_rollovers: RolloversTable
  renewal_windows: RenewalWindowsTable
  responders: RespondersTable
  message_keys: MessageKeysTable
  crls: CrlsTable
  delta_crls: DeltaCrlsTable
  crl_parts: CrlPartsTable
  crl_handovers: CrlHandoversTable
  imported_revocations: ImportedRevocationsTable
  revocation_events: RevocationEventsTable
  ra_profiles: RaProfilesTable
  option_sets: OptionSetsTable
  option_set_uses: OptionSetUsesTable
  approval_plans: ApprovalPlansTable
  approval_plan_versions: ApprovalPlanVersionsTable
  limit_buckets: LimitBucketsTable
  blocked_keys: { spki_hash: string; reason: string; created_at: number }
  sign_requests: SignRequestsTable
  asked_orders: AskedOrdersTable
  revoke_requests: RevokeRequestsTable
  decisions: DecisionsTable
  votes: VotesTable
  comments: CommentsTable
  groups: GroupsTable
  group_members: { group_id: number; user_id: number }
  delegations: DelegationsTable
  standing_approvals: StandingApprovalsTable
  standing_approval_votes: { standing_approval_id: number; user_id: number; step: number; created_at: number }
  remembered_approvals: RememberedApprovalsTable
  sign_attempts: SignAttemptsTable
  certificates: CertificatesTable
  audit_events: AuditEventsTable
  audit_seals: AuditSealsTable
  alerts: AlertsTable
  jobs: JobsTable
}

interface CredentialsTable {
  id: Generated<number>
  uuid: string
  /** CredentialKind. */
  kind: string
  /** Public, and unique with the kind within the profile: the kid of a MAC key, the name that goes with a password. */
  name: string
  /** Sealed as private keys are. */
  sealed: Buffer
  profile_id: number
  organization_id: number
  /** JSON of CredentialNames; null: whatever the profile certifies. */
  identifiers: string | null
  single_use: number
  note: string | null
  /** The user who made it: he is behind whatever is asked with it. */
  created_by: number
  created_at: number
  /** Until when it can be used to enrol. */
  expires_at: number | null
  /** When it was used last, and the requesterKey of who did. */
  used_at: number | null
  used_by: string | null
  revoked_at: number | null
}

interface SealedKeysTable {
  id: Generated<number>
  uuid: string
  purpose: string
  spki_hash: string
  /** Version octet, nonce, AES-256-GCM ciphertext of the PKCS#8, tag. */
  sealed: Buffer
  created_at: number
}

interface AuthoritiesTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  name: string
  kind: string
  owner_id: number | null
  enabled: number
  /** Raised by every change of settings or of the active certificate. */
  version: Generated<number>
  /** Raised in the transaction of every change of a revocation status. */
  revocations: Generated<number>
  /** The number of the last CRL handed out for signing, less the offset. */
  crl_number: Generated<number>
  /** Decimal; added to the numbers of CRLs, delta CRLs too: an imported authority goes on from its last one. Null: 0. */
  crl_number_offset: string | null
  settings: string
  created_at: number
}

interface AuthorityCertificatesTable {
  id: Generated<number>
  authority_id: number
  /** Null for a manual authority: its key is elsewhere. */
  key_id: number | null
  certificate: Buffer
  /** The issuers above, nearest first, as one PEM text; empty for a root. */
  chain: string
  spki_hash: string
  not_after: number
  /** 1 for the one that signs now. */
  active: number
  /** Its CRLs have the shards 0 to this, this one excluded; it never falls. */
  shards: Generated<number>
  created_at: number
}

/** Another way up from a certificate of an authority: same subject, same key, other issuers. */
interface AuthorityChainsTable {
  id: Generated<number>
  authority_certificate_id: number
  /** PEM, the cross-signed certificate first, its issuers above it, nearest first. */
  chain: string
  /** The first end of a certificate in it. */
  not_after: number
  created_at: number
}

/** When certificates should be renewed instead of when they otherwise would. Null: any. The newest that fits counts. */
interface RenewalWindowsTable {
  id: Generated<number>
  organization_id: number | null
  authority_id: number | null
  profile_id: number | null
  certificate_id: number | null
  /** Certificates stored before this moment. */
  issued_before: number
  window_start: number
  window_end: number
  explanation_url: string | null
  created_at: number
}

/** The RSA keys of profiles for enveloped messages, numbered within the profile. */
interface MessageKeysTable {
  id: Generated<number>
  profile_id: number
  number: number
  key_id: number
  certificate_id: number
  /** Of the certificate. */
  not_after: number
  created_at: number
}

interface RespondersTable {
  id: Generated<number>
  authority_certificate_id: number
  key_id: number
  certificate: Buffer
  not_before: number
  not_after: number
}

interface RaProfilesTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  name: string
  authority_id: number
  enabled: number
  /** 1: made by the installation for itself; no adapter can name it. */
  builtin: number
  version: Generated<number>
  settings: string
  protocols: string
  rules: string
  created_at: number
  updated_at: number
}

/** GCRA: one row stands for how much of a limit somebody has used (limit.ts). */
interface LimitBucketsTable {
  profile_id: number
  /** Of the limit. */
  name: string
  /** Whose: an account, an address, an account and a name. */
  key: string
  /** Epoch microseconds: when all that was taken will have been given back; at or before now, nothing is used. */
  arrival: number
  /** The rate that was applied last, or the override: microseconds for one to come back, and how many there are. */
  spacing: number
  burst: number
  /** 0: the rate is the caller's. Else it is an override, and counts before this moment. */
  overridden_until: Generated<number>
  /** Why it was overridden. */
  note: Generated<string | null>
}
