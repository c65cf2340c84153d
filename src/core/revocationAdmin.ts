/** What was taken from the last CRL of an imported authority. */
export interface ImportedCrl {
  /** Decimal: ours go on behind it. Null: not known. */
  number: string | null
  entries: number
  warnings: string[]
}

/** What administrators bring from where an authority signs, or signed before. Each needs manage on the authority. */
export interface RevocationAdmin {
  /**
   * The last CRL (DER or PEM) of an authority that was imported without it, or a later one; `crlNumber`: the number of the
   * last one, where that is another or all that is known. Throws malformed for one that is not wholly its, conflict for
   * one that is older than what was imported or published here.
   */
  importCrl(authority: string, draft: { crl?: Buffer; crlNumber?: bigint }): Promise<ImportedCrl>
}
