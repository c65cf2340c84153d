import type { RequestKind } from './approval.ts'

/** One line of a list of requests; dates are absent where they do not apply. */
export interface RequestRow {
  kind: RequestKind
  id: number
  uuid: string
  status: string
  protocol: string
  profile: string
  requester: string
  source: string | null
  /** Names asked for; for a revocation the certificate's. */
  names: string[]
  reason: string | null
  lastError: string | null
  createdAt: Date
  expiresAt: Date | null
}

export interface CertificateRow {
  id: number
  uuid: string
  serial: string
  subject: string
  names: string[]
  profile: string | null
  authority: string
  /** issued, expired, hold, revoked. */
  status: string
  notBefore: Date
  notAfter: Date
  revokedAt: Date | null
  revocationReason: string | null
}

export interface Page<Row> {
  rows: Row[]
  /** Hand it back as `after` for the next page, also where this one is short or empty; absent on the last. */
  next?: number
}

export interface RequestFilter {
  kind: RequestKind
  status?: string
  profile?: string
  after?: number
  limit?: number
}

export interface CertificateFilter {
  profile?: string
  authority?: string
  status?: string
  /** Part of a name or subject, without case. */
  search?: string
  after?: number
  limit?: number
}

/** Lists, newest first, paged by key, of what the requester may see. */
export interface Listing {
  requests(filter: RequestFilter): Promise<Page<RequestRow>>
  certificates(filter: CertificateFilter): Promise<Page<CertificateRow>>
}
