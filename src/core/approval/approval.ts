import type { Action, ApprovalRule, ApprovalStep } from '../profile/rule.ts'
import type { Finding, RequestRef } from '../request/request.ts'

/** What a rule's outcome came to. */
export type Outcome =
  | { kind: 'auto'; rule: string; version: string }
  | { kind: 'deny'; rule: string; version: string; message: string }
  | { kind: 'require'; rule: string; version: string; steps: ApprovalStep[]; remember?: string }

export interface Verdict {
  outcome: Outcome
  /** From `warn` rules and from conditions that failed. */
  findings: Finding[]
}

/** Everything that conditions may look at; condition.ts gives it its CEL types. */
export interface Facts {
  action: Action
  protocol: string
  profile: string
  /** The profile's variant that was chosen; absent: none. */
  variant?: string
  requester: { kind: string; ref: string; name: string }
  /** Empty when unknown. */
  source: string
  identifiers: { type: string; value: string; validated: boolean }[]
  /** All names proved by the adapter, and nothing else asked for in the subject. */
  validated: boolean
  /** A one-time challenge or credential bound to these names was used. */
  entitled: boolean
  subject: Record<string, string>
  key: { algorithm: string; size: number; curve: string }
  type: string
  /** Whole days, rounded up. */
  days: number
  mustStaple: boolean
  /** What is renewed or revoked; absent: present is false and the rest empty. */
  certificate: { present: boolean; serial: string; sameNames: boolean; ageDays: number; daysLeft: number }
  /** Revocation: RFC 5280 reason name, or empty. */
  reason: string
  /** Revocation: account, names, key or user; else empty. */
  grounds: string
  /** A user or token of ours that holds the capability which the action needs. */
  capable: boolean
}

export interface VoteInput {
  verdict: 'approve' | 'deny'
  /** The hash that the voter saw; another one means that the request has changed: conflict. */
  hash: string
  /** Needed for a denial and for an override; the requester reads a denial's. */
  reason?: string
  /** Decide at once, against the steps: superusers and administrators only, audited as such. */
  override?: boolean
  /** Like 30d; no longer than the rule allows. */
  remember?: string
}

/** What an approver sees of a request: where it stands, who may act, and the hash that his vote must name. */
export interface ReviewState {
  outcome: string
  rule: string
  hash: string
  step: number
  /** As they stand: those that were escalated name more people than their rule does. */
  steps: ApprovalStep[]
  /** The steps, by their index, that were escalated. */
  escalated: { step: number; at: Date }[]
  /** Names of those who could still approve the present step, for themselves or for others. Empty: nobody may, and the request says so. */
  mayApprove: string[]
  /** Where an approval that was remembered stands in for people: the request on which they voted, and who approved it. */
  remembered?: { request: number; approvers: string[] }
  /** Where a standing approval stands in for people: which, and who gave it. */
  granted?: { standingApproval: string; approvers: string[] }
  /** `for`: whose vote it is, where he was a delegate. */
  votes: { user: string; for?: string; step: number; verdict: string; override: boolean; reason?: string; at: Date }[]
  comments: { user: string; text: string; at: Date }[]
}

export type RequestKind = 'sign' | 'revoke'

/** Decisions by people, and what else is done to a request by hand. Each authorises; each throws conflict when too late. */
export interface Approvals {
  review(kind: RequestKind, ref: RequestRef): Promise<ReviewState>
  vote(kind: RequestKind, ref: RequestRef, vote: VoteInput): Promise<{ status: string }>
  cancel(kind: RequestKind, ref: RequestRef, reason?: string): Promise<void>
  /** A failed request tries again; one in `signing` makes its next attempt now. */
  retry(kind: RequestKind, ref: RequestRef): Promise<{ status: string }>
  markFailed(kind: RequestKind, ref: RequestRef, reason: string): Promise<void>
  /** Of a revocation in `revoking`: the authority, which signs elsewhere, has revoked the certificate. Needs manage. */
  confirmRevoked(ref: RequestRef): Promise<{ status: string }>
  comment(kind: RequestKind, ref: RequestRef, text: string): Promise<void>
  /** Which rule would decide, and how, without storing anything. */
  simulate(rules: ApprovalRule[], facts: Facts): Verdict
}
