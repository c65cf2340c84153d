import type { Generated } from 'kysely'

/** Columns of this protocol's tables. Times are epoch milliseconds. */
export interface RaTables {
  ra_end_entities: EndEntitiesTable
  ra_end_entity_orders: EndEntityOrdersTable
  ra_attributes: AttributesTable
}

/** Whom somebody lets order certificates of a profile by a name and a password. */
interface EndEntitiesTable {
  id: Generated<number>
  uuid: string
  profile_id: number
  /** NFC; unique within the profile. */
  username: string
  /** PHC string. */
  password_hash: string
  /** RFC 4514, and subjectAltName, as they came: both can be read. */
  subject: string
  names: string | null
  email: string | null
  /** JSON of name and value pairs. */
  extension_data: string
  /** A StoredStatus. It counts while order_ref is null; then what became of that order does. */
  status: string
  /** Rises when the password may be used anew: a part of the ref of orders. */
  round: number
  /** Rises with every change: of two changes at once the second finds another one. */
  version: number
  /** The order that the password was used for last, in this round. */
  order_ref: string | null
  /** 1: whatever its status, nothing is ordered until somebody else than `people` approves it. */
  awaits_approval: Generated<0 | 1>
  added_by: number
  /** JSON: ids of the users who added or changed it. */
  people: string
  created_at: number
  updated_at: number
}

/** All that was ever ordered with the password of an end entity. */
interface EndEntityOrdersTable {
  id: Generated<number>
  end_entity_id: number
  /** Of the origin of its request. */
  ref: string
  created_at: number
}

/** issue, csr: with an order; revoke: with a revocation. */
export type FilledInKind = 'issue' | 'csr' | 'revoke'

/** What clients filled in, as they are shown it again. */
interface AttributesTable {
  /** order: a hash of all that was ordered with an Idempotency-Key, which is shown to nobody. */
  kind: FilledInKind | 'order'
  /** The ref of the order's origin; for revoke the uuid of the certificate. */
  ref: string
  /** JSON of ResponseAttribute[]. */
  attributes: string
}
