import type { ServerResponse } from 'node:http'

/** Milliseconds for a client that takes nothing. */
const PATIENCE = 20_000
/** Octets a second: less than any line that somebody waits at. */
const SLOWEST = 8 * 1024
/** Milliseconds for a whole answer, as long as anything of it is still to be taken. */
const LONGEST = 30 * 60_000

interface Pace {
  begun: number
  /** Octets that were handed to the system, and those that waited then. */
  written: number
  left: number
  /** When more of it must have been taken. */
  until: number
}

export interface Paces {
  patience: number
  slowest: number
  longest: number
}

export interface PaceWatch {
  /** Looks once at all answers that have not ended, and closes the connections whose clients take too little. */
  look(active: Iterable<ServerResponse>, now: number): void
  readonly cut: number
}

/**
 * Whoever reads an answer more slowly than anybody can want holds memory and a place, for ever if he is let. What waits for the client must be
 * taken: within `patience` milliseconds and as long as it needs at `slowest` octets a second. A stream that has nothing to say is no slow one.
 */
export function createPaceWatch(paces: Paces = { patience: PATIENCE, slowest: SLOWEST, longest: LONGEST }): PaceWatch {
  const seen = new WeakMap<ServerResponse, Pace>()
  let cut = 0

  function late(outgoing: ServerResponse, now: number): boolean {
    const { socket } = outgoing
    const left = outgoing.writableLength
    if (!socket || left === 0) {
      seen.delete(outgoing)
      return false
    }
    const before = seen.get(outgoing)
    const written = socket.bytesWritten
    if (before && written === before.written && left >= before.left) return now > before.until
    const begun = before?.begun ?? now
    const until = Math.min(now + paces.patience + (left / paces.slowest) * 1000, begun + paces.longest)
    seen.set(outgoing, { begun, written, left, until })
    return now > begun + paces.longest
  }

  return {
    look(active, now) {
      for (const outgoing of active) {
        if (!late(outgoing, now)) continue
        cut++
        outgoing.socket?.destroy()
      }
    },
    get cut() {
      return cut
    },
  }
}
