import type { Generated } from 'kysely'

/** Of each request that was parked or waited for people: what it was asked as, so that it can be submitted or edited. */
export interface AskedOrdersTable {
  sign_request_id: number
  /** JSON of AskedOrder. */
  asked: string
  /** JSON of the identity that was fixed beforehand (registration.ts); null where none was. */
  registration: string | null
  /** Keyed hash of the registration's authorization secret; null without any. */
  secret: string | null
  /** How often a wrong secret was shown. */
  failed_attempts: Generated<number>
  /** Until when a registration may be submitted; null: for ever. */
  expires_at: number | null
}
