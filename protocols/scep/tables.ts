/** Columns of this protocol's tables. */
export interface ScepTables {
  scep_transactions: TransactionsTable
}

/** Which request a transaction is about. The texts are hashes (transaction.ts). */
interface TransactionsTable {
  /** Profile, transactionID, key and certificate of the signer. */
  ref: string
  /** Profile, key and certificate of the signer, key and names of the request. */
  content: string
  /** The how-manieth transaction with this content it is. */
  number: number
  /** Ref of the SignRequest's origin. */
  origin: string
  /** Epoch milliseconds. */
  created_at: number
}
