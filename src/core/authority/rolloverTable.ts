import type { Generated } from 'kysely'

/** A rollover of an authority: at most one of those that are open, requested or prepared, for each. */
export interface RolloversTable {
  id: Generated<number>
  authority_id: number
  /** requested (its certificate is not signed yet), prepared, active (it has taken over), canceled */
  status: string
  /** The certificate that was active when it was prepared. */
  previous_id: number
  /** The next certificate, once it is there. */
  next_id: number | null
  /** The next key; null where the key is elsewhere. */
  key_id: number | null
  /** Where the certificate is signed elsewhere: DER of what is to be signed. */
  csr: Buffer | null
  /** Milliseconds for which the next certificate is to be good. */
  validity: number
  /** From when on it takes over by itself. */
  starts_at: number
  /** Link certificates of a root, RFC 9810 section 4.4.1: the next key signed by the previous one, and the other way round. */
  new_with_old: Buffer | null
  old_with_new: Buffer | null
  /** While it is requested: who has it signed by a parent here has it alone until then. */
  lease_until: number
  last_error: string | null
  created_at: number
  ended_at: number | null
}
