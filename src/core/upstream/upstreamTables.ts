import type { Generated } from 'kysely'

/** The account of an authority at the ACME CA that signs for it. */
export interface UpstreamAccountsTable {
  authority_id: number
  /** Of the account's key, of the purpose `upstream account`. */
  key_id: number
  directory: string
  account_url: string
  /** JSON of mailto: URLs. */
  contact: string
  /** Name of the external account that it was bound to; the MAC key served once and is not kept. */
  eab_kid: string | null
  /** Who signed the certificate of the CA's web server, where that is none of the system's roots. */
  ca_pem: string | null
  created_at: number
}

/** What there is to do at an upstream CA for one request; it goes when the request has ended. One of the first two ids is set. */
export interface UpstreamWorkTable {
  id: Generated<number>
  sign_request_id: number | null
  revoke_request_id: number | null
  authority_id: number
  /** Stored before anything is done with the order. */
  order_url: string | null
  /** 1 before the order is finalized: from then on the CA may issue. */
  finalized: Generated<number>
  /** How often in a row there was nothing new. */
  tries: Generated<number>
  next_at: number
  lease_owner: string | null
  lease_until: number | null
  created_at: number
}

/** What we show to the world so that the CA sees whose a name is. */
export interface UpstreamProofsTable {
  id: Generated<number>
  work_id: number
  /** http-01 or dns-01. */
  kind: string
  /** The DNS name or IP address. */
  name: string
  token: string
  /** http-01: the key authorization; dns-01: what stands in the TXT record. */
  value: string
  created_at: number
}
