/** An authority that waits for its certificate; the row goes when that is there. */
export interface AuthorityDraftsTable {
  authority_id: number
  key_id: number
  /** DER of what is to be signed. */
  csr: Buffer
  /** Milliseconds, for whoever signs it here. */
  validity: number
  path_length: number | null
}
