import type { Generated } from 'kysely'

export interface ChallengesTable {
  id: Generated<number>
  uuid: string
  /** once (made by us), static (chosen by people, one a profile) or webhook (the secret of a system that decides). */
  kind: string
  /** Of the challenge (challengeAsk.ts); null for a webhook, and once it is revoked. */
  hash: string | null
  /** The secret of a webhook, as private keys are sealed. */
  sealed: Buffer | null
  profile_id: number
  organization_id: number
  /** A name in the form of RFC 4514 whose values are patterns; null: any. */
  subject: string | null
  /** JSON of CredentialNames; null: whatever the profile certifies, or, with a subject, its common name. */
  identifiers: string | null
  /** How often it can be used; null: any number of times. */
  uses: number | null
  used: Generated<number>
  note: string | null
  /** The user who made it: he is behind whatever is asked with it. */
  created_by: number | null
  created_at: number
  expires_at: number | null
  used_at: number | null
  revoked_at: number | null
}

/** Which keys have used a challenge: they may repeat themselves. */
export interface ChallengeUsesTable {
  challenge_id: number
  spki_hash: string
  /** SHA-256 of the client's transaction id. */
  transaction_hash: string
  created_at: number
}
