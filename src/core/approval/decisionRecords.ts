import { createHash } from 'node:crypto'
import type { Installation } from '../installation.ts'
import type { Action } from '../profile/rule.ts'
import type { Requester } from '../requester.ts'
import type { RequestKind } from './approval.ts'
import { decisionDetail } from './decisionDetail.ts'
import { countedDecisions, decisionsOf } from './decisionList.ts'
import { type WaitingPage, waitingRequests } from './waitingRequests.ts'

/** A question to people: one revision of a request, and where their decision on it stands. */
export interface DecisionRecord {
  /** Stable, and as long as its id. */
  uuid: string
  kind: RequestKind
  action: Action
  request: { id: number; uuid: string; status: string }
  /** What it is about: the order with its certificate. */
  object: string
  /** Who asked. `uuid`: the person behind it, where it is one. */
  creator: { key: string; name: string; uuid?: string }
  profile?: { uuid: string; name: string }
  /** `expired` also as soon as it is too late, whoever has noted it; `canceled` also where the request was edited. */
  status: 'waiting' | 'approved' | 'denied' | 'expired' | 'canceled'
  rule: string
  /** The approval plan that the rule is, in the version by which it asks. */
  plan?: { uuid: string; name: string; version: number }
  createdAt: Date
  /** When the present step expires, while it waits. */
  expiresAt?: Date
  closedAt?: Date
}

export interface Named {
  uuid: string
  name: string
}

export interface DecisionDetail extends DecisionRecord {
  /** What a vote on it must name. */
  hash: string
  /** Index of the step that waits, or waited last. */
  step: number
  steps: {
    quorum: number
    /** Those whom it names, in words. */
    text: string
    users: Named[]
    roles: Named[]
    groups: Named[]
    /** Hours. */
    hours: number
  }[]
  votes: { user: Named; step: number; verdict: string; override: boolean; reason?: string; at: Date }[]
  /** Those who could approve the present step now. */
  able: Named[]
  /** Whoever looks: is he behind the request, could he approve the present step now. */
  viewer: { behind: boolean; expected: boolean }
}

export interface DecisionPage {
  rows: DecisionRecord[]
  /** How many there are, counted among the newest ten thousand questions. */
  total: number
}

export interface DecisionFilter {
  /** 1, 2 … */
  page: number
  limit: number
  /** Those that the requester could decide now; `voted`: and those on which he has voted. */
  mine?: 'open' | 'voted'
}

/** What people were and are asked, for whoever may read the requests. Questions that nobody was asked, since a rule or an earlier approval decided, are none. */
export interface Decisions {
  /** The newest first. */
  list(filter: DecisionFilter): Promise<DecisionPage>
  /** The requests of a kind that the requester could decide now, the newest first. */
  waiting(filter: { kind: RequestKind; page: number; limit: number }): Promise<WaitingPage>
  /** Those about an order, its certificate, and the revocation of that. Throws Failure('notFound'). */
  about(certificate: string): Promise<DecisionRecord[]>
  /** Throws Failure('notFound') alike for none and for one that the requester may not read. */
  find(uuid: string): Promise<DecisionDetail>
}

export function createDecisions(it: Installation, requester: Requester): Decisions {
  return {
    list: (filter) => countedDecisions(it, requester, filter),
    waiting: (filter) => waitingRequests(it, requester, filter),
    about: (certificate) => decisionsOf(it, requester, certificate),
    find: (uuid) => decisionDetail(it, requester, uuid),
  }
}

/** The name of a decision: its id and what shows that nobody made it up, as a UUID of version 8 (RFC 9562 section 5.8). It is no secret. */
export function decisionUuid(id: number): string {
  const number = id.toString(16).padStart(12, '0')
  const hash = createHash('sha256').update(`decision ${id}`).digest('hex')
  return `${number.slice(0, 8)}-${number.slice(8)}-8${hash.slice(0, 3)}-a${hash.slice(3, 6)}-${hash.slice(6, 18)}`
}

/** The decision that decisionUuid gave this name; undefined for any other text. */
export function decisionId(uuid: string): number | undefined {
  const id = Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16)
  return Number.isSafeInteger(id) && decisionUuid(id) === uuid ? id : undefined
}
