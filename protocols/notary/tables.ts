/** Columns of this protocol's tables. Times are epoch milliseconds. */
export interface NotaryTables {
  notary_requests: NotaryRequestsTable
  notary_deleted_authorities: DeletedAuthoritiesTable
}

/** A certificate request as the contract numbers it. Where it stands is what became of its order: that of the origin `ref.round`. */
interface NotaryRequestsTable {
  ref: string
  organization_id: number
  /** Id of the user whose first order it is. */
  asker: number | null
  /** What clients call it: the id of its first order. Null for the moment until that is known. */
  number: number | null
  /** SHA-256 of the CSR's DER; null once it was deleted. */
  live_hash: string | null
  /** PEM as it came, without a challengePassword. */
  csr: string
  /** Rises with each order: for another authority, or after its certificate was deleted. */
  round: number
  /** Id of a certificate in the inventory that was signed elsewhere and uploaded for it, and PEM of its chain. */
  uploaded: number | null
  chain: string | null
  created_at: number
}

/** Certificate authorities that this contract shows no more; the core keeps them. */
interface DeletedAuthoritiesTable {
  authority_id: number
  deleted_at: number
}
