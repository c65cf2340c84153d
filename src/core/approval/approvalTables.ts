import type { Generated } from 'kysely'

export interface GroupsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  /** Unique in its organization. */
  name: string
  description: string | null
  email: string | null
  /** JSON of CustomAttribute[]. */
  attributes: Generated<string>
  created_at: number
}

export interface DelegationsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  /** Whose votes they are. */
  delegator_id: number
  /** Who gives them. */
  delegate_id: number
  /** Null: for every profile, or authority, of the organization. */
  profile_id: number | null
  authority_id: number | null
  from_at: number
  until_at: number
  reason: string | null
  created_at: number
  /** When it was ended before its time. */
  ended_at: number | null
}

export interface StandingApprovalsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  profile_id: number
  action: string
  /** Whose steps its approvers stand for: exactly this text of the rule. */
  rule: string
  rule_version: string
  /** JSON of ApprovalStep[]. */
  steps: string
  /** Only for this requester (requesterKey), or for whom this user stands behind; both null: for anyone who is known. */
  requester_key: string | null
  requester_user_id: number | null
  /** JSON of StandingNames. */
  names: string
  /** The longest lifetime; null: what the profile allows. */
  days: number | null
  uses: number
  uses_left: number
  until_at: number
  maker_id: number
  reason: string
  created_at: number
  ended_at: number | null
}
