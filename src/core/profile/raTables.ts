import type { Generated } from 'kysely'

export interface OptionSetsTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  /** Name of the adapter whose options they are. */
  protocol: string
  /** Unique among those of the protocol in the organization. */
  name: string
  description: string
  enabled: number
  /** JSON merge patch (RFC 7396) on a profile's own options of the protocol. */
  options: string
  /** JSON: what else the one who made it wants to have back; the core does not look into it. */
  details: string
  created_at: number
}

/** Which set a profile takes its options from. */
export interface OptionSetUsesTable {
  profile_id: number
  protocol: string
  /** Null: none any more. */
  option_set_id: number | null
  /** JSON: the options that the profile had when the protocol was switched off, for when it is switched on again. */
  kept: string | null
}

export interface ApprovalPlansTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  /** Unique in its organization. */
  name: string
  enabled: number
  created_at: number
}

export interface ApprovalPlanVersionsTable {
  plan_id: number
  /** 1, 2 … */
  version: number
  description: string
  /** How long each step waits; null: as long as steps do that say nothing. */
  hours: number | null
  /** JSON of PlanStep[]. */
  steps: string
  created_at: number
}
