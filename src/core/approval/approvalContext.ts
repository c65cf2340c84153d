import type { Database } from '../../db/open.ts'
import type { Requester } from '../requester.ts'
import type { RequestKind } from './approval.ts'

/** Something to do once the transaction is committed: make the attempt that was stored. It deals with its own trouble. */
export type Afterwards = () => Promise<void>

/** Stores in the caller's transaction what has to follow; what it answers runs after the commit. */
export type Follow = (db: Database, kind: RequestKind, requestId: number) => Promise<Afterwards | undefined>

/** What decisions by people need beside the database. */
export interface ApprovalContext {
  db: Database
  clock: () => Date
  /** Who acts through this door. */
  requester: Requester
  /** The request has just been approved and is in `signing` or `revoking`: store its first attempt. */
  approved: Follow
  /** Somebody wants the next attempt now; the request is in `signing` or `revoking`. */
  retry: Follow
}
