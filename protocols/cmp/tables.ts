/** Columns of this protocol's tables. */
export interface CmpTables {
  cmp_transactions: TransactionsTable
}

/** What a transaction is about. Texts but `body` and `reason` are hashes (transaction.ts). Kept as long as its request: a message of old is no new one. */
interface TransactionsTable {
  /** transactionID, and who protects its messages. */
  ref: string
  /** Profile and transactionID alone: later messages may leave the certificate of their signer out. */
  place: string
  /** Fingerprint of the certificate that protects its messages; null: a shared secret. */
  signer: string | null
  /** The message that began it: ir, cr, kur, p10cr or rr. */
  body: string
  /** Profile, who asks, key and names of the request. */
  content: string
  /** Ref of the SignRequest's origin. */
  origin: string
  /** Of rr: id of the certificate. */
  certificate: number | null
  /** Of rr. */
  reason: string | null
  /** The client need not confirm its certificate. */
  implicit: 0 | 1
  /** Until when a confirmation is waited for, once the certificate was handed out. Epoch milliseconds. */
  confirm_until: number | null
  confirmed_at: number | null
  /** Its client rejected the certificate, or did not confirm it in time. */
  rejected_at: number | null
  /** Orders with the same content come one after the other by it, whatever the clocks of nodes say. Epoch milliseconds. */
  created_at: number
}
