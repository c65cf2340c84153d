import type { Generated } from 'kysely'

/** Columns of this protocol's tables. Times are epoch milliseconds (seconds in acme_nonces), flags 0 or 1, JSON is text. */
export interface AcmeTables {
  acme_accounts: AccountsTable
  acme_orders: OrdersTable
  acme_order_identifiers: OrderIdentifiersTable
  acme_authorizations: AuthorizationsTable
  acme_account_keys: AccountKeysTable
  acme_nonces: NoncesTable
}

interface AccountsTable {
  id: Generated<number>
  uuid: string
  /** Id and name of the RA profile; the name stands in the account's URL. */
  profile_id: number
  profile: string
  /** The account's key: canonical JWK, and its RFC 7638 thumbprint, unique within the profile. */
  jwk: string
  thumbprint: string
  /** valid, disabled (by us, for a while), deactivated (by the client) or revoked (by us). */
  status: string
  /** JSON array of URLs. */
  contact: string
  /** The terms of service that were agreed to; null where none were shown. */
  terms_agreed: string | null
  /** 1 once it has asked for authorizations before an order: its orders then look for them. */
  preauthorizes: Generated<number>
  /** When a validation failed last: its orders then look whether names are limited. */
  failed_at: number | null
  created_at: number
  /** The credential of the core that the account is bound to (RFC 8555 section 7.3.4). */
  credential_id: number | null
  /** JSON of the verified externalAccountBinding, as the client sent it. */
  binding: string | null
  /** JSON of the ids of the users behind the account: whoever made that credential. */
  people: string | null
}

interface OrdersTable {
  id: Generated<number>
  uuid: string
  account_id: number
  not_before: number | null
  not_after: number | null
  expires_at: number
  /**
   * When finalize took the order, in the transaction that stored its SignRequest. From then on the order's state is that of the request;
   * before, it is that of the authorizations.
   */
  finalized_at: number | null
  /** The named variant of the profile that was chosen (draft-ietf-acme-profiles). */
  variant: string | null
  /** RFC 9773 section 5: as the client wrote it, the certificate's id, and how many orders have replaced it before. */
  replaces: string | null
  replaces_id: number | null
  replaces_turn: number | null
  /** 1: it has taken one of the account's orders, and has not given it back. */
  charged: Generated<number>
  created_at: number
}

/** The names of an order, as they were asked, each with the authorization that it needs. */
interface OrderIdentifiersTable {
  order_id: number
  position: number
  type: string
  value: string
  /** RFC 9444 section 4.3: as the client wrote it. */
  ancestor: string | null
  authorization_id: number
}

interface AuthorizationsTable {
  id: Generated<number>
  uuid: string
  account_id: number
  type: string
  /** Without `*.`; dns in lower case, ip in canonical form. */
  value: string
  wildcard: number
  /** One for all challenges. */
  token: string
  /** The challenge types offered, separated by spaces. */
  offered: string
  /** pending, valid, invalid, deactivated or revoked; expired is derived. */
  status: string
  expires_at: number
  /** Milliseconds for which a proof will count: the profile's setting when the authorization was made. */
  lifetime: number
  /** The challenge that the client answered. */
  challenge: string | null
  /** How many queries have failed, and when the last began. */
  queries: number
  queried_at: number | null
  validated_at: number | null
  /** Why it became invalid: JSON of a problem document. */
  error: string | null
  /** 1: counts for every name below as well (RFC 9444). */
  subdomains: Generated<number>
  /** 1: asked for by newAuthz, so that every later order may use it. */
  preauthorized: Generated<number>
  /** Issuer domain names that a dns-persist-01 challenge offered, or that CAA is checked for, separated by spaces; null without either. */
  issuers: string | null
  /** 1: CAA is to be checked before the authorization becomes valid. When it was last found to allow a certificate. */
  caa: Generated<number>
  caa_checked_at: number | null
  created_at: number
}

/** Keys that an account had before: dns-persist-01 records made with them still count (draft-ietf-acme-dns-persist-02 section 4.2). */
interface AccountKeysTable {
  account_id: number
  thumbprint: string
  retired_at: number
}

/** PostgreSQL only, unlogged: nonces that were spent, and under the empty key the epoch. */
interface NoncesTable {
  nonce: Buffer
  /** Epoch seconds; of the empty key: the number of the epoch. */
  at: number
}
