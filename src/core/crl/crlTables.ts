import type { Generated } from 'kysely'

export interface CrlsTable {
  id: Generated<number>
  authority_certificate_id: number
  shard: number
  number: number
  /** authorities.revocations as it was when the entries were read. */
  revocations: number
  der: Buffer
  this_update: number
  next_update: number
  /** authorities.crl_number_offset then: the number in the CRL is the sum. */
  number_offset: string | null
  /** How many crl_parts hold it; 0: it is in `der`; -1: it is not stored, and made anew when no memory holds it. */
  parts: Generated<number>
  /** 1: it has an issuingDistributionPoint. */
  idp: Generated<number>
  /** 0 for one that was made between times, for a revocation: an expired certificate stays until a scheduled one (RFC 5280 section 3.3). */
  scheduled: Generated<number>
}

/** A part of a CRL that is too long for one row. */
export interface CrlPartsTable {
  authority_certificate_id: number
  shard: number
  number: number
  delta: number
  part: number
  der: Buffer
}

/** A delta CRL, which completes the CRL of number base_number. */
export interface DeltaCrlsTable {
  id: Generated<number>
  authority_certificate_id: number
  shard: number
  number: number
  base_number: number
  revocations: number
  der: Buffer
  this_update: number
  next_update: number
  /** As in crls. */
  number_offset: string | null
  parts: Generated<number>
  idp: Generated<number>
}

/** New certificates under the one stand in the indirect CRL that the other signs. It is never taken back: certificates name it. */
export interface CrlHandoversTable {
  authority_certificate_id: number
  crl_issuer_id: number
  created_at: number
}

/** What an imported authority had revoked before, by its last CRL: there is no certificate here for these serials. */
export interface ImportedRevocationsTable {
  authority_certificate_id: number
  serial: string
  shard: number
  revoked_at: number
  reason: string | null
  invalidity_at: number | null
}

/** A change of a certificate's revocation status. */
export interface RevocationEventsTable {
  id: Generated<number>
  authority_certificate_id: number
  shard: number
  serial: string
  /** authorities.revocations after it, of the authority that signs the CRL in which it stands. */
  change: number
  /** hold, revoked; issued where a hold was lifted. */
  status: string
  revoked_at: number | null
  reason: string | null
  invalidity_at: number | null
  not_after: number
  created_at: number
}
