import type { Database } from '../db/open.ts'
import { BETWEEN, tally, tallySeconds } from '../db/tally.ts'
import { Failure } from './failure.ts'
import type { Installation } from './installation.ts'
import type { RevokeStatus, SignStatus } from './request/request.ts'

/** Parts of an order whose time is taken. policy: policy and rules; record: the transaction that stores it with its decision; sign: lint and signature; store: the transaction that stores the certificate. */
export type Stage = 'policy' | 'record' | 'sign' | 'store'

/** Told when a part of an order has ended, where traces are kept. `began`: performance.now(). */
export type Tracer = (stage: Stage, began: number, attributes: Record<string, string>) => void

/** Upper ends, in seconds, of how long requests wait for people: from a minute to a month. */
export const waits = [60, 300, 900, 3_600, 14_400, 86_400, 259_200, 604_800, 2_592_000] as const

/** Notes how long a stage of an order took, whatever came of it. `began`: performance.now() at its beginning. */
export function stageEnded(it: Installation, stage: Stage, protocol: string, began: number): void {
  tallySeconds(it.db, stageKey(stage, protocol), (performance.now() - began) / 1_000)
  it.trace?.(stage, began, { 'countersign.protocol': protocol })
}

/** Written once each. */
const stageKeys: Record<Stage, Map<string, string>> = {
  policy: new Map(),
  record: new Map(),
  sign: new Map(),
  store: new Map(),
}

function stageKey(stage: Stage, protocol: string): string {
  const known = stageKeys[stage].get(protocol)
  if (known !== undefined) return known
  const key = `stage${BETWEEN}${stage}${BETWEEN}${protocol}`
  stageKeys[stage].set(protocol, key)
  return key
}

/** As stageEnded, around a promise. */
export async function staged<T>(it: Installation, stage: Stage, protocol: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  try {
    return await work()
  } finally {
    stageEnded(it, stage, protocol, began)
  }
}

type Kind = 'sign_request' | 'revoke_request'

/** What becomes of requests, in the words of /metrics: asked is each new one, passed one that rules or people let pass. */
const outcomes = {
  draft: 'parked',
  requested: 'waiting',
  signing: 'passed',
  revoking: 'passed',
  signed: 'signed',
  revoked: 'revoked',
  denied: 'denied',
  expired: 'expired',
  canceled: 'canceled',
  failed: 'failed',
} as const satisfies Record<SignStatus | RevokeStatus, string>

interface Asked {
  protocol: string
  profileId: number | null
  /** Of an order its action, of a revocation its reason. */
  what: string | null
}

function count(db: Database, kind: Kind, { protocol, profileId, what }: Asked, outcome: string): void {
  tally(db, `${kind}${BETWEEN}${protocol}${BETWEEN}${profileId ?? ''}${BETWEEN}${what ?? ''}${BETWEEN}${outcome}`)
}

/** Counts a new request, once it is committed, and where it begins. */
export function tallyAsked(db: Database, kind: Kind, asked: Asked, status: SignStatus | RevokeStatus): void {
  count(db, kind, asked, 'asked')
  count(db, kind, asked, outcomes[status])
}

/** A row as it was moved. */
export interface Moved {
  organization_id: number
  protocol: string
  profile_id: number | null
  /** Epoch milliseconds. */
  created_at: number
  what: string | null
}

/** Counts a move once it is committed, and how long people were waited for. */
export function tallyMoved(
  db: Database,
  kind: Kind,
  row: Moved,
  { from, to, at }: { from: string; to: SignStatus | RevokeStatus; at: Date },
): void {
  const { protocol, profile_id: profileId, what, created_at } = row
  count(db, kind, { protocol, profileId, what }, outcomes[to])
  if (from !== 'requested') return
  const seconds = Math.max(0, at.getTime() - created_at) / 1_000
  tallySeconds(db, `wait${BETWEEN}${protocol}${BETWEEN}${outcomes[to]}`, seconds, waits)
}

/** Counts an order of which nothing is stored, since it was thrown back; rethrows. */
export function thrownBack(db: Database, asked: Asked, error: unknown): never {
  const { code } = error instanceof Failure ? error : { code: 'internal' }
  const ours = code === 'internal' || code === 'unavailable'
  count(db, 'sign_request', asked, ours ? 'unavailable' : 'refused')
  throw error
}
