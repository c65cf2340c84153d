import type { Identifier } from '../../pki/identifier.ts'
import type { NameConstraints } from '../../pki/nameConstraints.ts'
import type { RequestKind } from '../approval/approval.ts'
import type { Action } from '../profile/rule.ts'
import type { Finding, RequestRef } from '../request/request.ts'
import type { RequesterKind } from '../requester.ts'
import type { Searches } from '../search/searchRows.ts'
import type { AuditFilter, AuditRow } from './auditList.ts'
import type { CertificateRecord } from './certificateRecord.ts'
import type { CsvDraft } from './exportRows.ts'
import type { HistoryEvent } from './history.ts'
import type { Latest } from './latestEvent.ts'

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

/** All that an approver is asked to decide on: what the hash of his vote covers, in words. */
export interface RequestDetail extends RequestRow {
  action: Action
  /** Raised by each edit. */
  revision: number
  authority: string
  requesterKind: RequesterKind
  /** What it enrolled with: an EAB key's identifier and note. Null without any. */
  credential: { kind: string; name: string; note: string | null } | null
  findings: Finding[]
  /** What policy made of the order. Null for a revocation. */
  wanted: {
    type: string
    /** RFC 4514 text. */
    subject: string
    identifiers: Identifier[]
    /** Null: the moment of issuing. */
    notBefore: Date | null
    notAfter: Date | null
    /** Milliseconds. */
    validity: number
    mustStaple: boolean
    pathLength: number | null
    nameConstraints: NameConstraints | null
  } | null
  key: { algorithm: string; size: number; curve: string | null; spkiHash: string } | null
  /** DER. */
  csr: Buffer | null
  /** RFC 5280 reason name of a revocation. */
  code: string | null
  /** What was issued, or what is to be revoked. */
  certificate: { id: number; serial: string; subject: string; names: string[]; notAfter: Date; status: string } | null
  /** Id of the certificate that is renewed. */
  renews: number | null
  endedAt: Date | null
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
  /** Archived ones too. */
  archived?: boolean
  after?: number
  limit?: number
}

/** Lists, newest first, of what the requester may see: paged by key, and by number with totals (Searches). */
export interface Listing extends Searches {
  requests(filter: RequestFilter): Promise<Page<RequestRow>>
  certificates(filter: CertificateFilter): Promise<Page<CertificateRow>>
  /**
   * What the audit trail tells of an order, its certificate and its revocations, oldest first, at most the newest 1000. Who is no person of ours does not
   * learn who decided. Throws notFound.
   */
  history(ref: RequestRef): Promise<HistoryEvent[]>
  /** Whether the audit trail has an event after `seen` that the requester may know of, and what to ask with next; without `seen` where to begin. */
  latest(seen?: number): Promise<Latest>
  /**
   * A list as the text of a CSV file (RFC 4180, UTF-8), a heading first, then the newest rows first, in parts of up to 500 lines: all that a search finds, of which it
   * goes on from id to id. Throws as a search before the first part; malformed for regular expressions.
   */
  csv(draft: CsvDraft): Promise<AsyncIterable<string>>
  /** One request in full. Without a kind a number means a request to sign, and a uuid either. Throws notFound. */
  request(ref: RequestRef, kind?: RequestKind): Promise<RequestDetail>
  /** The audit trail, for administrators. Throws forbidden. */
  audit(filter: AuditFilter): Promise<Page<AuditRow>>
  /** An order with what came of it. Throws notFound. */
  record(ref: RequestRef): Promise<CertificateRecord>
}
