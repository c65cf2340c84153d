import pg from 'pg'
import { DatabaseUnavailable, UnstorableValue } from './errors.ts'

const GIVE_UP_MS = 5_000
const CONFLICT_TRIES = 10
const LOST_TRIES = 5

/** Nothing was stored, and the same may succeed when it is tried again. */
export class Passing extends Error {
  readonly kind: 'conflict' | 'lost'

  constructor(kind: 'conflict' | 'lost', cause: unknown) {
    super(`the attempt failed: ${kind}`, { cause })
    this.kind = kind
  }
}

/**
 * Turns what a statement or pg threw into Passing where trying again at once makes sense, and into DatabaseUnavailable where it does later. Any other error would
 * look like a lost connection.
 */
export function asPassing(error: unknown): unknown {
  if (isConflict(error)) return new Passing('conflict', error)
  if (isLost(error)) return new Passing('lost', error)
  return isTrouble(error) ? new DatabaseUnavailable('it has no room or no time for this', error) : error
}

/** Class 53: no disk, memory or connections; 58: trouble of its system; 55P03: a lock; 57014: statement_timeout, or an administrator. */
function isTrouble(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^5[38]|^55P03$|^57014$|^57P04$/.test(error.code ?? '')
}

/** read_only_sql_transaction, as BEGIN READ WRITE gets it from a standby: what was the primary is none any more. */
export function isStandby(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '25006'
}

/** Do other connections as old as this one fare alike? It was silent, or knows tables as they were before a migration. */
export function isOutdated(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return error instanceof Error && error.message === 'Query read timeout'
  return isOldPlan(error)
}

function isOldPlan({ code, message }: pg.DatabaseError): boolean {
  return code === '0A000' && message.includes('cached plan')
}

/** Is the connection of no more use to anybody? */
export function isSpent(error: unknown): boolean {
  return isLost(error) || isStandby(error)
}

/** serialization_failure, deadlock_detected */
export function isConflict(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')
}

/** Is the connection of no more use? What pg throws and the server did not say is about the connection. */
export function isLost(error: unknown): boolean {
  if (error instanceof UnstorableValue) return false
  if (!(error instanceof pg.DatabaseError)) return true
  const code = error.code ?? ''
  // Class 08: connection exceptions; 57P01 to 57P03: shutting down, crashed, starting; 57P05, 25P03, 25P04: it had been idle; 53300: too many connections.
  if (/^08|^57P0[1235]$|^25P0[34]$|^53300$/.test(code)) return true
  // A statement was prepared before a migration changed its result; a new connection prepares it anew.
  return isOldPlan(error)
}

/** Runs `attempt` again, a bounded number of times, while it throws Passing. The pauses are random, so that two rivals part. */
export async function retried<R>(attempt: () => Promise<R>): Promise<R> {
  const until = performance.now() + GIVE_UP_MS
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Passing)) throw error
      const last = tries >= (error.kind === 'lost' ? LOST_TRIES : CONFLICT_TRIES) || performance.now() > until
      if (last)
        throw new DatabaseUnavailable(error.kind === 'lost' ? 'no connection' : 'too many conflicts', error.cause)
      const longest = error.kind === 'lost' ? Math.min(50 * 2 ** tries, 500) : Math.min(2 * 2 ** tries, 200)
      await new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)))
    }
  }
}
