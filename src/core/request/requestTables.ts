import type { Generated } from 'kysely'

export interface SignRequestsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  profile_id: number
  authority_id: number
  status: string
  /** Raised when what is asked changes; decisions and votes belong to one revision. */
  revision: number
  action: string
  protocol: string
  origin_ref: string | null
  origin_generation: number
  /** JSON of Requester. */
  requester: string
  /** kind and ref of the requester, for look-ups. */
  requester_key: string
  source_address: string | null
  csr: Buffer | null
  spki_hash: string | null
  /** JSON of WantedCertificate: what policy made of the order. */
  wanted: string
  /** JSON of Finding[]. */
  findings: string
  renews_id: number | null
  /** The number of the attempt that may store its certificate; 0 before the first. */
  attempt: number
  last_error: string | null
  /** Readable by the requester: why it was denied, expired, canceled or failed. */
  reason: string | null
  /** 1 once a contract has told its client a final answer: then retry is a conflict. */
  answered: Generated<number>
  created_at: number
  updated_at: number
  /** When nobody's answer ends it; null while nobody is waited for. */
  expires_at: number | null
  ended_at: number | null
}

export interface RevokeRequestsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  profile_id: number | null
  authority_id: number
  certificate_id: number
  status: string
  revision: number
  protocol: string
  requester: string
  requester_key: string
  source_address: string | null
  /** RFC 5280 reason name, or null where none was given. */
  code: string | null
  /** Since when the key is thought to be known by others (RFC 5280 section 5.3.2). */
  invalidity_at: number | null
  /** 1: the private key of the certificate, which is here, is destroyed with it. */
  destroy_key: Generated<number>
  /** JSON of what the rules saw. */
  facts: string
  findings: string
  last_error: string | null
  reason: string | null
  created_at: number
  updated_at: number
  expires_at: number | null
  ended_at: number | null
}

export interface DecisionsTable {
  id: Generated<number>
  sign_request_id: number | null
  revoke_request_id: number | null
  revision: number
  /** auto, remembered, granted, approved, denied, waiting, expired, canceled, void */
  outcome: string
  rule: string
  rule_version: string
  /** JSON of ApprovalStep[]; empty unless people are asked. */
  steps: string
  step: number
  /** SHA-256 over what an approver sees; votes name it. */
  hash: string
  created_at: number
  decided_at: number | null
  /** What let it pass, where the outcome is granted. */
  standing_approval_id: number | null
  /** When its present step reminds or calls others next; null: never. */
  attend_at: number | null
  /** JSON of Attended[]: what steps have done so far; null: nothing. */
  attended: string | null
}

export interface VotesTable {
  id: Generated<number>
  decision_id: number
  step: number
  user_id: number
  verdict: string
  override: number
  reason: string | null
  /** Milliseconds for which this voter wants the approval remembered. */
  remember: number | null
  /** By which he voted for somebody else; null: for himself. */
  delegation_id: number | null
  created_at: number
}

export interface CommentsTable {
  id: Generated<number>
  sign_request_id: number | null
  revoke_request_id: number | null
  user_id: number
  text: string
  created_at: number
}

export interface RememberedApprovalsTable {
  id: Generated<number>
  decision_id: number
  profile_id: number
  action: string
  requester_key: string
  rule_version: string
  /** JSON of what was approved: identifiers, validity, usages. A wider request asks again. */
  scope: string
  created_at: number
  expires_at: number
}

export interface SignAttemptsTable {
  id: Generated<number>
  sign_request_id: number
  number: number
  decision_id: number
  authority_certificate_id: number | null
  serial: string
  shard: number
  /** Empty while nobody works on it: lease_until is then when the next attempt is due. */
  lease_owner: string
  lease_until: number
  created_at: number
}

export interface CertificatesTable {
  /** The id of its SignRequest: one number space. */
  id: number
  organization_id: number
  profile_id: number | null
  authority_id: number
  authority_certificate_id: number | null
  serial: string
  der: Buffer
  fingerprint: string
  spki_hash: string
  /** RFC 4514 text. */
  subject: string
  /** JSON of Identifier[]. */
  identifiers: string
  key_algorithm: string
  not_before: number
  not_after: number
  /** issued, hold, revoked; expired is derived. */
  status: string
  revoked_at: number | null
  revocation_reason: string | null
  /** As in revoke_requests. */
  invalidity_at: number | null
  /** Of what is revoked or on hold: DER of its entry in a CRL; null where that was before this column. */
  crl_entry: Buffer | null
  /** In which of its authority's CRLs it stands; below 0: in the indirect CRL of another (indirectCrl.ts). */
  shard: number
  source: string
  requester_key: string
  renews_id: number | null
  created_at: number
}

export interface AuditEventsTable {
  id: Generated<number>
  at: number
  organization_id: number | null
  action: string
  /** The kind of thing that changed, with its id and the status that it has now. */
  subject_kind: string
  subject_id: number | null
  status: string | null
  actor: string
  source_address: string | null
  details: string
}

export interface AuditSealsTable {
  /** Position in the chain, from 1 without gaps. */
  position: number
  event_id: number
  /** SHA-256 over the previous hash and the event's canonical text. */
  hash: string
}

export interface AlertsTable {
  id: Generated<number>
  organization_id: number | null
  kind: string
  subject_kind: string
  subject_id: number | null
  detail: string
  created_at: number
  closed_at: number | null
}

export interface JobsTable {
  id: Generated<number>
  kind: string
  ref: string
  run_at: number
  attempts: number
  lease_owner: string | null
  lease_until: number | null
  last_error: string | null
  created_at: number
}
